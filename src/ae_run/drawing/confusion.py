"""Confusion matrices of classifiers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from ae_run.drawing.style import Style, plain

_NUMBERED = 12


def confusion_matrix(axes: Axes, counts: np.ndarray, names: list[str], style: Style) -> None:
    """Draw (K, K) counts, true class by row, as percent of each row; few classes get numbers."""
    shares = 100 * counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    colors = LinearSegmentedColormap.from_list("share", [style.face, style.color(0)])
    axes.imshow(shares, cmap=colors, vmin=0, vmax=100)
    axes.grid(visible=False)
    k = len(counts)
    ticks = np.arange(k)
    labels = [plain(names[i], 9) if i < len(names) else str(i) for i in ticks]
    size = style.rc["xtick.labelsize"] if k <= 20 else 4.5
    axes.set_xticks(ticks, labels, rotation=90, size=size)
    axes.set_yticks(ticks, labels, size=size)
    axes.tick_params(length=0)
    if k > _NUMBERED:
        return
    for row, column in np.argwhere(shares >= 0.5):
        share = shares[row, column]
        dark_cell = (share > 55) != (style.name == "dark")
        axes.text(
            column,
            row,
            f"{share:.0f}",
            ha="center",
            va="center",
            size=style.rc["xtick.labelsize"] - 1,
            color="#ffffff" if dark_cell or style.name == "dark" else style.ink,
        )
