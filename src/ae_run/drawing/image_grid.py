"""Grids of images: one array and one `imshow` per block, whatever the number of images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ae_run.drawing.style import Style, plain

COLUMNS = 10
_PAD, _TITLE, _LINE = 0.12, 0.36, 0.19  # inches: margin, the figure's title, a line of text
_GAP = 0.05  # inches between images


@dataclass(frozen=True)
class Block:
    """Images in rows and columns, with text around them."""

    images: np.ndarray
    """uint8 (R, N, C, H, W)"""
    row_labels: Sequence[str] = ()
    column_labels: Sequence[str] = ()
    cell_labels: Sequence[str] = ()
    """Below each image, row by row."""
    cell_colors: Sequence[str] = field(default=())
    title: str = ""
    count: int | None = None
    """Number of images, if the last row is not full."""


def wrap(images: np.ndarray, columns: int = COLUMNS) -> tuple[np.ndarray, int]:
    """Lay out images (n, C, H, W) as (R, N, C, H, W), padded with black; also return n."""
    n = len(images)
    columns = max(1, min(columns, n))
    rows = -(-n // columns)
    padding = np.zeros((rows * columns - n, *images.shape[1:]), images.dtype)
    return np.concatenate([images, padding]).reshape(rows, columns, *images.shape[1:]), n


def pick(count: int, at_most: int) -> np.ndarray:
    """Indices of up to `at_most` of `count` items, evenly spread, including first and last."""
    return np.unique(np.linspace(0, count - 1, min(count, at_most)).round().astype(int))


def to_rgb(images: np.ndarray) -> np.ndarray:
    """(…, C, H, W) → (…, 3, H, W); channel counts other than 1 and 3 are averaged."""
    channels = images.shape[-3]
    if channels == 3:
        return images
    gray = images if channels == 1 else images.mean(axis=-3, keepdims=True).astype(np.uint8)
    return np.repeat(gray, 3, axis=-3)


def image_grid(
    images: np.ndarray, row_gap: int, column_gap: int, count: int | None = None
) -> np.ndarray:
    """Assemble (R, N, C, H, W) images into one (h, w, 4) array; gaps (pixels) are transparent."""
    r, n, _, h, w = images.shape
    canvas = np.zeros((r, h + row_gap, n, w + column_gap, 4), np.uint8)
    canvas[:, :h, :, :w, :3] = to_rgb(images).transpose(0, 3, 1, 4, 2)
    shown = np.arange(r * n).reshape(r, n) < (r * n if count is None else count)
    canvas[:, :h, :, :w, 3] = 255 * shown[:, None, :, None]
    flat = canvas.reshape(r * (h + row_gap), n * (w + column_gap), 4)
    return flat[: flat.shape[0] - row_gap, : flat.shape[1] - column_gap]


def grid_figure(style: Style, title: str, label: str, blocks: Sequence[Block]) -> Figure:
    """A figure of blocks, one below the other.

    The layout is computed, not fitted: each image pixel covers a whole number of figure pixels,
    so that none is drawn wider than its neighbour, unless a narrow style has no room for that. A
    hairline frames each image: white ones would vanish on a white page, black ones on a dark page.
    """
    height, width = blocks[0].images.shape[-2:]
    columns = max(block.images.shape[1] for block in blocks)
    longest = max((len(name) for block in blocks for name in block.row_labels), default=0)
    left = _PAD + (longest * 0.075 + 0.08 if longest else 0)
    heading = style.heading(title, label) if style.titles else ""
    if style.width is None:
        inches = float(np.clip(7.5 / columns, 0.36, 0.85))
        scale: float = max(1, round(inches * style.dpi / max(height, width)))
    else:
        inches = (style.width - left - _PAD) / columns - _GAP
        scale = max(0.1, inches * style.dpi / width)
        scale = int(scale) if scale >= 3 else scale
    pixel = scale / style.dpi  # inches
    gap = max(1, round(_GAP / pixel))
    placed = [_Placed(block, pixel, gap) for block in blocks]
    top = _TITLE if heading else _PAD
    total = top + sum(p.height for p in placed) + _PAD
    wide = style.width or max(
        left + max(p.width for p in placed) + _PAD, len(heading) * 0.105 + 2 * _PAD
    )
    wide, total = (math.ceil(size * style.dpi) / style.dpi for size in (wide, total))
    figure = Figure(figsize=(wide, total), dpi=style.dpi)
    if heading:
        figure.text(
            _PAD / wide,
            1 - _PAD / total,
            heading,
            ha="left",
            va="top",
            size=style.rc["figure.titlesize"],
            weight="bold",
        )
    for p in placed:
        p.draw(figure, style, left, top)
        top += p.height
    return figure


class _Placed:
    """A block with its size in inches."""

    def __init__(self, block: Block, pixel: float, gap: int) -> None:
        _, _, _, h, w = block.images.shape
        self.block, self.pixel = block, pixel
        below = math.ceil(_LINE / pixel) if block.cell_labels else gap
        self.step_x, self.step_y = (w + gap) * pixel, (h + below) * pixel
        self.array = image_grid(block.images, below, gap, block.count)
        self.width = self.array.shape[1] * pixel
        self.image_height = self.array.shape[0] * pixel
        self.above = _LINE * (1.4 * bool(block.title) + bool(block.column_labels))
        tail = _LINE if block.cell_labels else 0.0
        self.height = self.above + self.image_height + tail + 0.08
        self.center_x, self.center_y, self.bottom = w * pixel / 2, h * pixel / 2, h * pixel

    def draw(self, figure: Figure, style: Style, left: float, top: float) -> None:
        """Draw the block with its upper left corner (left, top) inches from the figure's."""
        wide, high = figure.get_size_inches()
        block, small = self.block, style.rc["xtick.labelsize"]
        if block.title:
            figure.text(
                left / wide,
                1 - (top + 0.06) / high,
                block.title if style.width is None else plain(block.title, int(wide / 0.065)),
                ha="left",
                va="top",
                size=style.rc["axes.titlesize"],
            )
        top += self.above
        dpi = figure.dpi
        left, top = round(left * dpi) / dpi, round(top * dpi) / dpi
        box = (
            left / wide,
            1 - (top + self.image_height) / high,
            self.width / wide,
            self.image_height / high,
        )
        axes = figure.add_axes(box)
        axes.imshow(self.array, interpolation="none", aspect="auto")
        axes.axis("off")
        self._frame(axes, style)

        def write(text: str, x: float, y: float, align: tuple[str, str], color: str) -> None:
            figure.text(
                (left + x) / wide,
                1 - (top + y) / high,
                text,
                ha=align[0],
                va=align[1],
                size=small,
                color=color,
            )

        for index, name in enumerate(block.row_labels):
            y = index * self.step_y + self.center_y
            write(name, -0.08, y, ("right", "center"), style.ink)
        fits = max(4, int(self.step_x / (0.0083 * small)))
        for index, name in enumerate(block.column_labels):
            x = index * self.step_x + self.center_x
            write(plain(name, fits), x, -0.04, ("center", "bottom"), style.ink)
        for index, name in enumerate(block.cell_labels):
            row, column = divmod(index, block.images.shape[1])
            x, y = column * self.step_x + self.center_x, row * self.step_y + self.bottom + 0.03
            color = block.cell_colors[index] if block.cell_colors else style.muted
            write(plain(name, fits), x, y, ("center", "top"), color)

    def _frame(self, axes: Axes, style: Style) -> None:
        """Frame every image by one pixel of the figure, just outside of it."""
        rows, columns, _, h, w = self.block.images.shape
        shown = rows * columns if self.block.count is None else self.block.count
        dot = 1 / (self.pixel * style.dpi)  # a pixel of the figure, in pixels of the image
        across, down = self.step_x / self.pixel, self.step_y / self.pixel
        frames = [
            Rectangle(
                (column * across - 0.5 - dot / 2, row * down - 0.5 - dot / 2), w + dot, h + dot
            )
            for row, column in (divmod(index, columns) for index in range(shown))
        ]
        axes.add_collection(
            PatchCollection(
                frames,
                facecolor="none",
                edgecolor=style.muted,
                linewidth=72 / style.dpi,
                clip_on=False,
                snap=False,
            ),
            autolim=False,
        )
