"""What a classifier on the frozen codes gets right."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style, plain

TITLE = "Classes from codes"
CAPTION = (
    "Confusion of classifiers on the frozen codes, trained on training codes and scored on test: "
    "the share of each true class (a row) that was given each class (a column), in percent."
)
_NAMES = {
    "softmax": "softmax layer",
    "mlp": "hidden layers",
    "knn": "k nearest neighbours",
}
_NUMBERED = 12


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `probe` in the metrics, with a `confusion` (K, K) of counts, true class by row."""
    probes: dict[str, Any] = {
        name: one for name, one in (run.metrics.get("probe") or {}).items() if one.get("confusion")
    }
    if not probes:
        return None
    side = float(np.clip(0.36 * len(next(iter(probes.values()))["confusion"]), 3.0, 5.4))
    figure = style.figure(side * len(probes) + 0.9, side + 0.8, TITLE, run.label)
    panels: list[Axes] = list(figure.subplots(1, len(probes), squeeze=False)[0])
    for axes, (name, one) in zip(panels, probes.items(), strict=True):
        title = f"{_NAMES.get(name, name)}: accuracy {one['accuracy']:.4f}"
        _matrix(axes, np.array(one["confusion"], float), run.names(), style)
        axes.set_title(title)
        axes.set_xlabel("class given")
    panels[0].set_ylabel("true class")
    return figure


def _matrix(axes: Axes, counts: np.ndarray, names: list[str], style: Style) -> None:
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
            column, row, f"{share:.0f}", ha="center", va="center",
            size=style.rc["xtick.labelsize"] - 1,
            color="#ffffff" if dark_cell or style.name == "dark" else style.ink,
        )  # fmt: skip
