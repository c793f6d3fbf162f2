"""The codes of test images in the plane by t-SNE."""

from matplotlib.figure import Figure

from ae_run.figures._run_data import RunData
from ae_run.figures._scatter import class_legend, legend_columns, scatter_by_class
from ae_run.figures._style import Style

TITLE = "Codes by t-SNE"
CAPTION = (
    "Codes of test images laid out so that neighbours stay neighbours. Neither distances between "
    "clusters nor their sizes mean anything here."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `tsne_2d` (n, 2) and `tsne_labels` (n,)."""
    points, labels = run.array("tsne_2d"), run.array("tsne_labels")
    if points is None or labels is None:
        return None
    figure = style.figure(5.6 + 1.0 * legend_columns(labels), 5.4, TITLE, run.label)
    axes = figure.subplots()
    names = run.names(labels)
    scatter_by_class(axes, points, labels, names, style)
    axes.set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
    axes.set_aspect("equal", adjustable="datalim")
    class_legend(figure, labels, names, style)
    return figure
