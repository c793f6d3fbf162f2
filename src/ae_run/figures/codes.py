"""Codes of test images: scatter plots, and classifiers on the codes."""

import importlib
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ae_run.drawing.confusion import confusion_matrix
from ae_run.drawing.run_data import RunData
from ae_run.drawing.scatter import class_legend, legend_columns, scatter_figure
from ae_run.drawing.style import Style, log_y, plain
from ae_run.figures._section import Section

section = Section("Latent space")

_SMALLEST_SINGULAR = 1e-6
"""Of the largest: smaller ones, such as 0, are drawn there on the logarithmic axis."""
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


def _of_dimensions(run: RunData) -> str:
    by = "KL to the prior" if "kl_per_dim" in run.metrics else "variance"
    parts = [f"The dimensions of the code in order of their {by} over the test images"]
    if run.array("dims_correlation") is not None:
        parts.append("the correlation between them, in the same order")
    if run.array("dims_singular_values") is not None:
        count = len(run.arrays["dims_singular_values"])
        parts.append(
            f"the singular values of the encoder's Jacobian at {count} test images, largest first "
            "(line: median; band: all): how much the code moves per unit of change of the image, "
            "along the directions that move it most"
        )
    return "; ".join(parts) + "."


@section.figure("Code dimensions", _of_dimensions)
def dimensions(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `dims_variance` (d,).

    Further panels: `dims_correlation` (d, d) and `dims_singular_values` (n, ranks); with
    `kl_per_dim` in the metrics, the KL takes the place of the variance.
    """
    variance = run.array("dims_variance")
    if variance is None:
        return None
    kl = run.metrics.get("kl_per_dim")
    values = np.array(kl, float) if kl is not None and len(kl) == len(variance) else variance
    order = np.argsort(-values, kind="stable")
    correlation, singular = run.array("dims_correlation"), run.array("dims_singular_values")
    panels = 1 + (correlation is not None) + (singular is not None)
    columns = style.across(panels, 2.6)
    rows = -(-panels // columns)
    figure = style.figure(3.2 * columns, 2.9 * rows, title, run.label)
    grid = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for unused in grid[panels:]:
        unused.axis("off")
    axes = grid.pop(0)
    axes.stairs(values[order], np.arange(len(values) + 1) + 0.5, fill=True, color=style.color(0))
    axes.set(xlabel="dimension, by rank", ylabel="variance" if kl is None else "KL (nats)", ylim=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, len(values) + 0.5)
    if correlation is not None:
        _correlation(grid.pop(0), correlation[np.ix_(order, order)], style)
    if singular is not None:
        _singular_values(grid.pop(0), singular, style)
    return figure


def _correlation(axes: Axes, values: np.ndarray, style: Style) -> None:
    """A matrix (d, d) of correlations."""
    ends = [style.color(4), style.face, style.color(0)]
    colors = LinearSegmentedColormap.from_list("correlation", ends)
    box = (0.5, len(values) + 0.5, len(values) + 0.5, 0.5)
    shown = axes.imshow(values, cmap=colors, vmin=-1, vmax=1, extent=box)
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.set(xlabel="dimension, by rank", ylabel="dimension, by rank")
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.8, ticks=[-1, 0, 1])
    bar.set_label("correlation")


def _singular_values(axes: Axes, values: np.ndarray, style: Style) -> None:
    """Singular values (n, ranks) of n images, the largest first."""
    ranks = np.arange(1, values.shape[1] + 1)
    shown = np.maximum(values, _SMALLEST_SINGULAR * max(values.max(), 1e-30))
    low, middle, high = np.quantile(shown, (0, 0.5, 1), axis=0)
    axes.fill_between(ranks, low, high, color=style.color(2), alpha=0.25, lw=0)
    marks: dict[str, Any] = {"marker": "o", "ms": 3} if len(ranks) <= 30 else {}
    axes.plot(ranks, middle, color=style.color(2), **marks)
    log_y(axes)
    axes.set(xlabel="rank", ylabel="singular value of ∂z/∂x")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


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
