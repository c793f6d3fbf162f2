"""The codes of test images in space, by PCA and by t-SNE."""

import importlib

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._run_data import RunData
from ae_run.figures._scatter import class_legend, legend_columns
from ae_run.figures._style import Style, plain

TITLE = "Codes in 3-D"
CAPTION = (
    "Codes of test images on their three principal axes; beside it by t-SNE into three dimensions, "
    "where `evaluate.tsne` asks for that."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `codes_3d` (n, 3) with `codes_labels`, or `tsne_3d` (n, 3) with `tsne_labels`.

    `codes_3d_axes` (3,) names the axes of the former.
    """
    principal = run.arrays.get("codes_3d_axes", np.array(["PC 1", "PC 2", "PC 3"]))
    embedded = np.array([f"t-SNE {axis}" for axis in (1, 2, 3)])
    candidates = [
        ("PCA", run.array("codes_3d"), run.array("codes_labels"), principal),
        ("t-SNE", run.array("tsne_3d"), run.array("tsne_labels"), embedded),
    ]
    shown = [(title, points, labels, axes) for title, points, labels, axes in candidates
             if points is not None and labels is not None]  # fmt: skip
    if not shown:
        return None
    importlib.import_module("mpl_toolkits.mplot3d")  # registers the projection, and is slow

    every = np.concatenate([labels for _, _, labels, _ in shown])
    names = run.names(every)
    width = 4.6 * len(shown) + legend_columns(every)
    figure = style.figure(width, 4.7, TITLE, run.label)
    for index, (title, points, labels, axis_names) in enumerate(shown):
        axes = figure.add_subplot(1, len(shown), index + 1, projection="3d")
        for label in np.unique(labels):
            mine = points[labels == label]
            axes.scatter(*mine.T, s=7, c=style.color(label), marker=style.marker(label), lw=0)
        for axis, name in zip(("x", "y", "z"), axis_names, strict=True):
            axes.set(**{f"{axis}label": plain(str(name), 30)})
            getattr(axes, f"{axis}axis").labelpad = 8
        axes.locator_params(nbins=4)
        axes.set_title(title)
        # The z label lies outside what the layout knows of.
        axes.set_box_aspect(None, zoom=0.88)
    class_legend(figure, every, names, style)
    return figure
