"""The codes of test images in the plane, coloured by class."""

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._run_data import RunData
from ae_run.figures._scatter import class_legend, legend_columns, scatter_by_class
from ae_run.figures._style import Style, plain

TITLE = "Codes"
CAPTION = (
    "Codes of test images, coloured by a class that the model never saw: as they are where the "
    "code has two dimensions, else on the two principal axes of the codes."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `codes_2d` (n, 2), or `codes` (n, 1); and `codes_labels` (n,)."""
    codes, labels = run.array("codes"), run.array("codes_labels")
    if labels is None:
        return None
    names = run.names(labels)
    if codes is not None and codes.shape[1] == 1:
        return _ridges(run, style, codes[:, 0], labels, names)
    points = run.array("codes_2d")
    if points is None:
        return None
    figure = style.figure(5.6 + 1.0 * legend_columns(labels), 5.4, TITLE, run.label)
    axes = figure.subplots()
    scatter_by_class(axes, points, labels, names, style)
    x, y = run.arrays.get("codes_2d_axes", np.array(["code 1", "code 2"]))
    axes.set(xlabel=plain(str(x), 40), ylabel=plain(str(y), 40))
    axes.set_aspect("equal", adjustable="datalim")
    class_legend(figure, labels, names, style)
    return figure


def _ridges(
    run: RunData, style: Style, codes: np.ndarray, labels: np.ndarray, names: list[str]
) -> Figure:
    """One histogram per class, one above the other, for a code of one dimension."""
    present = np.unique(labels)
    figure = style.figure(6.5, 1.6 + 0.26 * len(present), TITLE, run.label)
    axes = figure.subplots()
    edges = np.histogram_bin_edges(codes, bins=60)
    counts = np.stack([np.histogram(codes[labels == k], edges)[0] for k in present])
    heights = 1.6 * counts / max(1, counts.max())
    for row, label in reversed(list(enumerate(present))):
        color = style.color(label)
        axes.stairs(row + heights[row], edges, baseline=row, fill=True, color=color, alpha=0.55)
        axes.stairs(row + heights[row], edges, baseline=row, color=style.ink, lw=0.5)
    axes.set_yticks(range(len(present)), [plain(names[k]) for k in present])
    axes.set(xlabel="code", ylabel="class (height: images per bin)", ylim=(-0.2, len(present) + 1))
    return figure
