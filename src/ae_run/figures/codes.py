"""Codes of test images: scatter plots, and classifiers on the codes."""

import importlib
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ae_run.drawing.confusion import confusion_matrix
from ae_run.drawing.run_data import RunData
from ae_run.drawing.scatter import class_legend, legend_columns, scatter_figure
from ae_run.drawing.style import Style, plain
from ae_run.figures._section import Section

section = Section("Latent space")

_PROBES = {
    "softmax": "linear probe",
    "mlp": "MLP",
    "knn": "k-NN",
}


def _projected(run: RunData) -> str:
    codes = run.array("codes")
    text = "Codes of test images, coloured by class; training uses no labels."
    if codes is not None and codes.shape[1] > 2:
        text += f" Their {codes.shape[1]} dimensions are projected onto the first two principal "
        text += "components."
    return text


@section.figure("Codes", _projected)
def codes(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `codes_2d` (n, 2), or `codes` (n, 1); and `codes_labels` (n,)."""
    all_dims, labels = run.array("codes"), run.array("codes_labels")
    if labels is None:
        return None
    if all_dims is not None and all_dims.shape[1] == 1:
        return _ridges(run, style, title, all_dims[:, 0], labels)
    points = run.array("codes_2d")
    if points is None:
        return None
    x, y = run.arrays.get("codes_2d_axes", np.array(["code 1", "code 2"]))
    return scatter_figure(run, style, title, points, labels, axis_names=(str(x), str(y)))


def _ridges(
    run: RunData, style: Style, title: str, values: np.ndarray, labels: np.ndarray
) -> Figure:
    """One histogram per class, one above the other, for one-dimensional codes."""
    present, names = np.unique(labels), run.names(labels)
    figure = style.figure(6.5, 1.6 + 0.26 * len(present), title, run.label)
    axes = figure.subplots()
    edges = np.histogram_bin_edges(values, bins=60)
    counts = np.stack([np.histogram(values[labels == k], edges)[0] for k in present])
    heights = 1.6 * counts / max(1, counts.max())
    for row, label in reversed(list(enumerate(present))):
        color = style.color(label)
        axes.stairs(row + heights[row], edges, baseline=row, fill=True, color=color, alpha=0.55)
        axes.stairs(row + heights[row], edges, baseline=row, color=style.ink, lw=0.5)
    axes.set_yticks(range(len(present)), [plain(names[k]) for k in present])
    axes.set(xlabel="code", ylabel="class (height: images per bin)", ylim=(-0.2, len(present) + 1))
    return figure


@section.figure(
    "t-SNE of the codes",
    "Codes of test images, embedded in the plane so that neighbours stay neighbours. Distances "
    "between clusters and the sizes of clusters carry no meaning.",
)
def tsne(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `tsne_2d` (n, 2) and `tsne_labels` (n,)."""
    points, labels = run.array("tsne_2d"), run.array("tsne_labels")
    if points is None or labels is None:
        return None
    axis_names = ("t-SNE 1", "t-SNE 2")
    return scatter_figure(run, style, title, points, labels, axis_names)


def _in_space(run: RunData) -> str:
    codes = run.array("codes")
    whole = codes is not None and codes.shape[1] == 3
    how = "as they are" if whole else "on their first three principal components"
    parts = [how] * (run.array("codes_3d") is not None)
    parts += ["embedded in three dimensions by t-SNE"] * (run.array("tsne_3d") is not None)
    return f"Codes of test images {' and '.join(parts)}".rstrip() + "."


@section.figure("Codes in 3-D", _in_space)
def codes_3d(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `codes_3d` (n, 3) with `codes_labels`, or `tsne_3d` (n, 3) with `tsne_labels`.

    `codes_3d_axes` (3,) names the axes of the former.
    """
    principal = run.arrays.get("codes_3d_axes", np.array(["PC 1", "PC 2", "PC 3"]))
    embedded = np.array([f"t-SNE {axis}" for axis in (1, 2, 3)])
    candidates = [
        ("PCA", run.array("codes_3d"), run.array("codes_labels"), principal),
        ("t-SNE", run.array("tsne_3d"), run.array("tsne_labels"), embedded),
    ]
    shown = [
        (method, points, labels, axis_names)
        for method, points, labels, axis_names in candidates
        if points is not None and labels is not None
    ]
    if not shown:
        return None
    importlib.import_module("mpl_toolkits.mplot3d")  # registers the projection, and is slow

    every = np.concatenate([labels for _, _, labels, _ in shown])
    names = run.names(every)
    columns = style.across(len(shown), 3.0)
    rows = -(-len(shown) // columns)
    width = 4.6 * columns + legend_columns(every)
    figure = style.figure(width, 4.4 * rows + 0.3, title, run.label)
    for index, (method, points, labels, axis_names) in enumerate(shown):
        axes = figure.add_subplot(rows, columns, index + 1, projection="3d")
        for label in np.unique(labels):
            mine = points[labels == label]
            axes.scatter(*mine.T, s=7, c=style.color(label), marker=style.marker(label), lw=0)
        for axis, name in zip(("x", "y", "z"), axis_names, strict=True):
            axes.set(**{f"{axis}label": plain(str(name), 30)})
            getattr(axes, f"{axis}axis").labelpad = 8
        axes.locator_params(nbins=4)
        axes.set_title(method)
        # The z label lies outside what the layout knows of.
        axes.set_box_aspect(None, zoom=0.88)
    class_legend(figure, every, names, style)
    return figure


@section.figure(
    "Linear probe and k-NN on the codes",
    "Confusion matrices of classifiers fitted on the frozen training codes and scored on test: of "
    "each true class (row) the percentage predicted as each class (column).",
)
def probe(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `probe` in the metrics, with a `confusion` (K, K) of counts, true class by row."""
    probes: dict[str, Any] = {
        name: one for name, one in (run.metrics.get("probe") or {}).items() if one.get("confusion")
    }
    if not probes:
        return None
    side = float(np.clip(0.36 * len(next(iter(probes.values()))["confusion"]), 3.0, 5.4))
    columns = style.across(len(probes), side)
    rows = -(-len(probes) // columns)
    figure = style.figure(side * columns + 0.9, rows * side + 0.8, title, run.label)
    panels: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in panels[len(probes) :]:
        axes.axis("off")
    for axes, (name, one) in zip(panels, probes.items(), strict=False):
        confusion_matrix(axes, np.array(one["confusion"], float), run.names(), style)
        axes.set_title(f"{_PROBES.get(name, name)}: accuracy {one['accuracy']:.4f}")
        axes.set_xlabel("predicted class")
    for row in range(rows):
        panels[row * columns].set_ylabel("true class")
    return figure
