"""Data for exploring the latent space in the page: codes, images, and the decoder.

Legend: n shown test images, d code size, C channels, H W pixels, G codes along an axis.
"""

import base64
import io
import json
from typing import Any

import numpy as np

from ae_run.drawing.image_grid import image_grid
from ae_run.drawing.run_data import RunData
from ae_run.drawing.style import PER_MARKER, Style
from ae_run.pages.render import data_uri

_BUDGET = 5_000_000
"""Bytes of codes, decoder and images, before base64 makes 4/3 of them: with its figures, which are
seldom more than 5 MB, a page stays below 12 MB."""
_CODES = 800_000
"""Bytes of all codes."""
_POINTS = 5000
_THUMBNAIL = 32  # pixels a side, at most
_PER_ROW = 64


def explorer(run: RunData) -> dict[str, Any] | None:
    """All that the page's script needs; None without codes.

    Shows the first test images, as many as fit.
    """
    codes, points = run.array("codes"), run.array("codes_2d")
    if codes is None or points is None or not np.isfinite(codes).all():
        return None
    labels = run.array("codes_labels")
    labels = np.zeros(len(codes), int) if labels is None else labels
    inputs, outputs = run.array("codes_thumbnails"), run.array("explorer_outputs")
    most = min(len(codes), _POINTS, max(1, _CODES // (2 * codes.shape[1])))
    weights = [a.nbytes for name, a in run.arrays.items() if name.startswith("explorer_decoder_")]
    room = (_BUDGET - _CODES - sum(weights)) // 2
    pictures = [_sprite(images, most, room) for images in (inputs, outputs)]
    shown = min([most, *(one["count"] for one in pictures if one)])
    light, dark = (Style.named(name, 100) for name in ("default", "dark"))
    errors = run.array("test_mse")
    return {
        "count": shown,
        "codes": _packed(codes[:shown], _CODES),
        "mean": _floats(codes.mean(0)),
        "spread": _floats(codes.std(0)),
        "order": np.argsort(-codes.std(0), kind="stable").tolist(),
        "planes": _planes(run, codes, points, shown),
        "label": labels[:shown].tolist(),
        "names": run.names(labels),
        "light": list(light.palette),
        "dark": list(dark.palette),
        "per_marker": PER_MARKER,
        "errors": None if errors is None else _floats(errors[:shown]),
        "inputs": pictures[0],
        "outputs": pictures[1],
        "decoder": _decoder(run),
        "grid": _grid(run),
    }


def undecoded(run: RunData) -> str:
    """Why the page does not decode codes of its own; empty if it does."""
    if run.array("explorer_decoder") is not None:
        return ""
    known = run.array("explorer_reason")
    if known is None:
        return "The decoder is not in this page: ae-run task=evaluate on this run adds it."
    text = f"The decoder does not run in this page: {known}."
    grid = run.array("explorer_grid_images")
    if grid is None:
        return text
    return (
        f"{text} Instead it shows the nearest of {np.prod(grid.shape[:2])} codes that were decoded "
        "beforehand, with all other dimensions at their mean."
    )


def _planes(
    run: RunData, codes: np.ndarray, points: np.ndarray, shown: int
) -> dict[str, dict[str, Any]]:
    """The projections of the codes, by name; two dimensions of a code need none."""
    planes: dict[str, dict[str, Any]] = {}
    if codes.shape[1] > 2:
        mean = codes.mean(0, dtype=np.float64)
        # The principal axes, from the points: Zᵀp = λv, and λ = pᵀp.
        squares = np.square(points, dtype=np.float64).sum(0)
        axes = (codes - mean).T @ points / np.where(squares > 0, squares, 1)
        names = run.arrays.get("codes_2d_axes", ("PC 1", "PC 2"))
        planes["PCA"] = {
            "points": _floats(points[:shown].T.ravel()),
            "axes": [str(name) for name in names],
            "components": _floats(axes.T.ravel()),
        }
    embedded = run.array("tsne_2d")
    if embedded is not None and len(embedded) == len(codes):
        planes["t-SNE"] = {
            "points": _floats(embedded[:shown].T.ravel()),
            "axes": ["t-SNE 1", "t-SNE 2"],
            "components": None,
        }
    return planes


def _decoder(run: RunData) -> list[dict[str, Any]] | None:
    """The layers, with their arrays inside."""
    described = run.array("explorer_decoder")
    if described is None:
        return None
    layers: list[dict[str, Any]] = json.loads(str(described))
    for layer in layers:
        arrays = {name: run.arrays[f"explorer_decoder_{k}"] for name, k in layer["arrays"].items()}
        layer["arrays"] = {name: _packed(array) for name, array in arrays.items()}
    return layers


def _grid(run: RunData) -> dict[str, Any] | None:
    keys = ("images", "dims", "values")
    images, dims, values = (run.array(f"explorer_grid_{key}") for key in keys)
    if images is None or dims is None or values is None:
        return None
    rows, columns = images.shape[:2]
    return {
        "dims": dims.tolist(),
        "values": [_floats(row) for row in values],
        "images": _sprite(images.reshape(-1, *images.shape[2:]), rows * columns, _BUDGET),
    }


def _floats(values: np.ndarray) -> list[float]:
    """Numbers with five digits, enough for a place on a screen."""
    return [float(f"{value:.5g}") for value in values]


def _packed(array: np.ndarray, limit: int | None = None) -> dict[str, Any]:
    """An array of floats in base64, as float16 if it has more bytes than `limit`."""
    small = limit is not None and array.size * 4 > limit
    array = array.astype("<f2" if small or array.dtype == np.float16 else "<f4")
    kind = "float16" if array.dtype.itemsize == 2 else "float32"
    return {"type": kind, "data": base64.b64encode(array.tobytes()).decode()}


def _sprite(images: np.ndarray | None, most: int, room: int) -> dict[str, Any] | None:
    """The first images (n, C, H, W) in one PNG of at most `room` bytes, row by row.

    Images of more than `_THUMBNAIL` pixels a side are averaged over blocks of pixels.
    """
    if images is None:
        return None
    small = _reduced(images[:most])
    content = _png(small)
    while len(content) > room and len(small) > 1:
        small = small[: max(1, int(0.95 * len(small) * room / len(content)))]
        content = _png(small)
    return {
        "source": data_uri("image/png", content),
        "count": len(small),
        "columns": _PER_ROW,
        "width": small.shape[-1],
        "height": small.shape[-2],
    }


def _reduced(images: np.ndarray) -> np.ndarray:
    step = min(-(-max(images.shape[-2:]) // _THUMBNAIL), *images.shape[-2:])
    if step == 1:
        return images
    height, width = (size // step * step for size in images.shape[-2:])
    blocks = images[..., :height, :width].reshape(
        *images.shape[:2], height // step, step, width // step, step
    )
    reduced: np.ndarray = blocks.mean((3, 5)).round().astype(np.uint8)
    return reduced


def _png(images: np.ndarray) -> bytes:
    from PIL import Image

    rows = -(-len(images) // _PER_ROW)
    padding = np.zeros((rows * _PER_ROW - len(images), *images.shape[1:]), np.uint8)
    cells = np.concatenate([images, padding]).reshape(rows, _PER_ROW, *images.shape[1:])
    pixels = image_grid(cells, 0, 0)[..., : 3 if images.shape[1] == 3 else 1]
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()
