"""Data for the page's interactive scatter plot of codes."""

import io
from typing import Any

import numpy as np

from ae_run.drawing.image_grid import image_grid
from ae_run.drawing.run_data import RunData
from ae_run.drawing.style import PER_MARKER, Style
from ae_run.pages.render import data_uri

_THUMBNAIL = 32  # pixels a side, at most
_POINTS = 5000
_PER_ROW = 64


def scatter(run: RunData) -> dict[str, Any] | None:
    """Points, classes, colours and one picture of all thumbnails; None without 2-D codes.

    Coordinates are centred, y upwards, and the longer axis has length 1.
    """
    points, labels = run.array("codes_2d"), run.array("codes_labels")
    if points is None or labels is None or not np.isfinite(points).all():
        return None
    points, labels = points[:_POINTS].astype(float), labels[:_POINTS]
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max()) or 1.0
    scaled = (points - (low + high) / 2) / extent
    axes = run.arrays.get("codes_2d_axes", ("code 1", "code 2"))
    light, dark = (Style.named(name, 100) for name in ("default", "dark"))
    return {
        "x": np.round(scaled[:, 0], 4).tolist(),
        "y": np.round(scaled[:, 1], 4).tolist(),
        "label": labels.tolist(),
        "names": run.names(labels),
        "light": list(light.palette),
        "dark": list(dark.palette),
        "per_marker": PER_MARKER,
        "center": [float(value) for value in (low + high) / 2],
        "extent": extent,
        "axes": [str(name) for name in axes],
        "thumbnails": _atlas(run.array("codes_thumbnails"), len(points)),
    }


def _atlas(images: np.ndarray | None, count: int) -> dict[str, Any] | None:
    """All thumbnails (n, C, H, W) in one PNG, row by row."""
    from PIL import Image

    if images is None or len(images) < count:
        return None
    step = -(-max(images.shape[-2:]) // _THUMBNAIL)
    small = images[:count, :, ::step, ::step]
    rows = -(-count // _PER_ROW)
    padding = np.zeros((rows * _PER_ROW - count, *small.shape[1:]), np.uint8)
    cells = np.concatenate([small, padding]).reshape(rows, _PER_ROW, *small.shape[1:])
    pixels = image_grid(cells, 0, 0)[..., : 1 if small.shape[1] == 1 else 3]
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return {
        "source": data_uri("image/png", buffer.getvalue()),
        "columns": _PER_ROW,
        "width": small.shape[-1],
        "height": small.shape[-2],
    }
