"""Points of a 2-D latent space that were decoded, over the codes."""

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._run_data import RunData
from ae_run.figures._scatter import class_legend, legend_columns, scatter_by_class
from ae_run.figures._style import Style

TITLE = "Decoded points among the codes"
CAPTION = (
    "Codes of test images, and as stars the points that were decoded: along paths between class "
    "centroids, or drawn around them. A star far from all codes asks the decoder for something "
    "that it has never seen."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `path_2d_points` (S, 2) and a run whose `codes` are (n, 2)."""
    points, codes, labels = (run.array(k) for k in ("path_2d_points", "codes", "codes_labels"))
    if points is None or codes is None or labels is None or codes.shape[1] != 2:
        return None
    names = run.names(labels)
    figure = style.figure(5.6 + 1.0 * legend_columns(labels), 5.6, TITLE, run.label)
    axes = figure.subplots()
    scatter_by_class(axes, codes, labels, names, style, named=False)
    stars = np.reshape(points, (-1, 2))
    axes.scatter(
        stars[:, 0], stars[:, 1], marker="*", s=60, c=style.ink, ec=style.face, lw=0.5, zorder=3,
        label="decoded points",
    )  # fmt: skip
    axes.set(xlabel="code 1", ylabel="code 2")
    axes.set_aspect("equal", adjustable="datalim")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
    class_legend(figure, labels, names, style)
    return figure
