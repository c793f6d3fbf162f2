"""How a notebook shows a run: its scores beside the baselines', and some reconstructions."""

import io
from collections.abc import Mapping
from html import escape

import numpy as np

from ae_run import headline
from ae_run.run_folder import REPLICAS, RunFolder

_SHOWN = 10
_ZOOM = 56
"""Images are enlarged to about so many pixels a side."""


def html(folder: RunFolder) -> str:
    """A table and a picture; only what the folder has."""
    run = folder.read_json("run.json")
    status = str(run.get("status", "interrupted"))
    parts = [
        f"<p><b>{escape(str(run.get('label', 'run')))}</b>, {escape(status)} · "
        f"<code>{escape(str(folder.path))}</code></p>"
    ]
    if run.get("error"):
        parts.append(f"<p>{escape(str(run['error']))}</p>")
    if folder.has("metrics.json"):
        metrics = folder.read_json("metrics.json")
        replicas = folder.read_json(REPLICAS) if folder.has(REPLICAS) else None
        found = headline.blocks(metrics)
        columns = headline.baselines(found, metrics)
        parts += [_table(block, columns, replicas) for block in found]
    if folder.has("artifacts.npz"):
        parts.append(_picture(folder.read_arrays("artifacts.npz")))
    return f"<div>{''.join(parts)}</div>"


def _table(
    block: headline.Block, columns: Mapping[str, str], replicas: headline.Scores | None
) -> str:
    rows = ["".join(f"<th>{escape(name)}</th>" for name in ("", "this run", *columns.values()))]
    for label, own, others in headline.rows(block, columns, replicas):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in (own, *others))
        rows.append(f"<th>{escape(label)}</th>{cells}")
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table><caption>test, {escape(block.name)}</caption>{body}</table>"


def _picture(arrays: dict[str, np.ndarray]) -> str:
    """The first test images above their reconstructions; the input too where it is corrupted."""
    names = ("target", "input", "output")
    found = [arrays.get(f"reconstruction_{name}") for name in names]
    images = [part[:_SHOWN] for part in found if part is not None and part.dtype == np.uint8]
    if len(images) < len(names):
        return ""
    if np.array_equal(images[0], images[1]):
        del images[1]
    from PIL import Image

    from ae_run.drawing.image_grid import image_grid
    from ae_run.pages.render import data_uri

    grid = image_grid(np.stack(images), 2, 2)
    zoom = max(1, _ZOOM // max(images[0].shape[-2:]))
    buffer = io.BytesIO()
    Image.fromarray(grid.repeat(zoom, 0).repeat(zoom, 1)).save(buffer, "PNG")
    shown = "test images, " + ("their inputs, " if len(images) == len(names) else "")
    uri = data_uri("image/png", buffer.getvalue())
    return f'<img alt="{shown}and their reconstructions, in rows" src="{uri}">'
