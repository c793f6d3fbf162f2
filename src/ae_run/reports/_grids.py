"""Rows of images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ae_run.drawing.image_grid import Block, grid_figure, pick
from ae_run.drawing.run_data import RunData
from ae_run.drawing.style import Style
from ae_run.reports.results import Found, dig

_MOST = 11


def draw_corruption(
    found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> Figure | None:
    """Test images under a corruption that grows. Options: `curve`, `examples`, `levels`."""
    run = found[0].first
    inputs, levels = _pictures(run, options["curve"], "inputs"), _levels(run, options["curve"])
    if inputs is None:
        return None
    wanted = options.get("levels")
    shown = [_nearest(levels, level) for level in wanted] if wanted else pick(len(levels), _MOST)
    rows = inputs[list(shown), : int(options.get("examples", 2))].swapaxes(0, 1)
    block = Block(
        rows,
        column_labels=[f"{levels[i]:g}" for i in shown],
        title=str(options["x"]),
    )
    return grid_figure(style, options["title"], "", [block])


def draw_denoised(
    found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> Figure | None:
    """Clean, corrupted and output at one level. Options: `curve`, `level`."""
    run, key = found[0].first, options["curve"]
    inputs, outputs = (_pictures(run, key, end) for end in ("inputs", "outputs"))
    levels = _levels(run, key)
    if inputs is None or outputs is None:
        return None
    at, clean = _nearest(levels, options["level"]), _nearest(levels, 0.0)
    block = Block(
        np.stack([inputs[clean], inputs[at], outputs[at]]),
        row_labels=["clean", "corrupted", "output"],
    )
    return grid_figure(style, options["title"], "", [block])


def draw_path(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """Decoded paths. Options: `kind`, of the arrays `paths_<kind>_images`; `labels`; `first`."""
    blocks = []
    for index, one in enumerate(found):
        images = one.first.array(f"paths_{options['kind']}_images")
        if images is None:
            return None
        labels = options.get("labels")
        names = one.first.names_of(f"paths_{options['kind']}_labels")
        ends = [f"{a} → {b}" for a, b in zip(names[::2], names[1::2], strict=False)]
        count = int(options.get("first", 1))
        blocks.append(Block(
            images[:count], row_labels=ends[:count],
            title=str(labels[index]) if labels else "",
        ))  # fmt: skip
    return grid_figure(style, options["title"], "", blocks)


def draw_models(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """What several models make of the same input. Options: `inputs`, [[curve, level, text], …]."""
    labels = list(options.get("labels") or [one.name for one in found])
    blocks = []
    for key, level, text in options["inputs"]:
        rows: list[np.ndarray] = []
        names: list[str] = []
        for one, name in zip(found, labels, strict=True):
            given = _pictures(one.first, key, "inputs")
            output = _pictures(one.first, key, "outputs")
            if given is None or output is None:
                continue
            at = _nearest(_levels(one.first, key), level)
            if not rows:
                rows.append(given[at])
                names.append("input")
            rows.append(output[at])
            names.append(name)
        if rows:
            blocks.append(Block(np.stack(rows), row_labels=names, title=str(text)))
    return grid_figure(style, options["title"], "", blocks) if blocks else None


def draw_inputs(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """Clean test images and the same as the run's corruption shows them."""
    run = found[0].first
    clean, given = (run.array(f"reconstruction_{key}") for key in ("target", "input"))
    if clean is None or given is None:
        return None
    block = Block(np.stack([clean[:10], given[:10]]), row_labels=["clean", "noisy"])
    return grid_figure(style, options["title"], "", [block])


def _pictures(run: RunData, key: str, end: str) -> np.ndarray | None:
    """(levels, examples, C, H, W)."""
    return run.array(f"robustness_{key}_{end}")


def _levels(run: RunData, key: str) -> list[float]:
    return [float(level) for level in dig(run.metrics, ["robustness", key, "levels"]) or ()]


def _nearest(levels: Sequence[float], level: float) -> int:
    return int(np.argmin(np.abs(np.array(levels) - float(level))))
