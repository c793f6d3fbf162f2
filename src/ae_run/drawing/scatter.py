"""Scatter plots of codes, coloured by class, and their legend."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ae_run.drawing.run_data import RunData
from ae_run.drawing.style import Style, plain

_NAMED_IN_PLACE = 12


def scatter_figure(
    run: RunData,
    style: Style,
    title: str,
    points: np.ndarray,
    labels: np.ndarray,
    axis_names: tuple[str, str],
    height: float = 5.4,
    named: bool = True,
) -> Figure:
    """A figure of (n, 2) points with equal scales on both axes and a legend of the classes."""
    names = run.names(labels)
    figure = style.figure(5.6 + 1.0 * legend_columns(labels), height, title, run.label)
    axes = figure.subplots()
    scatter_by_class(axes, points, labels, names, style, named)
    x, y = axis_names
    axes.set(xlabel=plain(x, 40), ylabel=plain(y, 40))
    axes.set_aspect("equal", adjustable="datalim")
    class_legend(figure, labels, names, style)
    return figure


def scatter_by_class(
    axes: Axes,
    points: np.ndarray,
    labels: np.ndarray,
    names: list[str],
    style: Style,
    named: bool = True,
) -> None:
    """Draw (n, 2) points; with `named`, a few classes are also named at their medians."""
    size = float(np.clip(6000 / max(1, len(points)), 3, 24))
    for label in np.unique(labels):
        mine = points[labels == label]
        axes.scatter(
            mine[:, 0],
            mine[:, 1],
            s=size,
            c=style.color(label),
            marker=style.marker(label),
            linewidths=0,
            alpha=0.75,
            rasterized=len(points) > 500,
        )
    present = np.unique(labels)
    if named and len(present) <= _NAMED_IN_PLACE:
        middles = np.array([np.median(points[labels == label], axis=0) for label in present])
        for label, (x, y) in zip(present, _apart(middles, points), strict=True):
            name = axes.text(
                x,
                y,
                plain(names[label]),
                ha="center",
                va="center",
                weight="bold",
                color=style.ink,
                size=style.rc["font.size"],
                bbox={
                    "boxstyle": "round,pad=0.2",
                    "fc": style.face,
                    "ec": style.color(label),
                    "alpha": 0.85,
                    "lw": 1,
                },
            )
            # The layout looks before the axes have equal scales, when it may lie far outside.
            name.set_in_layout(False)


def _apart(places: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The (k, 2) places of labels, moved up and down until none covers another."""
    extent = float(np.ptp(points, axis=0).max())  # 0 where all codes are one: nothing moves
    room = extent * np.array([0.09, 0.055])
    places = places.astype(float)
    for _ in range(50):
        moved = False
        for one in range(len(places)):
            for other in range(one):
                across, up = places[one] - places[other]
                if abs(across) >= room[0] or abs(up) >= room[1]:
                    continue
                step = (room[1] * 1.01 - abs(up)) / 2 * (1 if up >= 0 else -1)
                places[one, 1] += step
                places[other, 1] -= step
                moved = True
        if not moved:
            break
    return places


def class_legend(figure: Figure, labels: np.ndarray, names: list[str], style: Style) -> None:
    """A legend of the classes in `labels`, right of the axes, in `legend_columns` columns."""
    present = [int(label) for label in np.unique(labels)]
    handles = [
        Line2D(
            [],
            [],
            ls="",
            marker=style.marker(k),
            color=style.color(k),
            ms=5,
            mew=0,
            label=plain(names[k]),
        )
        for k in present
    ]
    figure.legend(
        handles=handles,
        loc="outside right center",
        ncols=-(-len(present) // 18),
        title="class",
        handletextpad=0.2,
        columnspacing=0.8,
        alignment="left",
    )


def legend_columns(labels: np.ndarray) -> int:
    """The number of columns of `class_legend`, which determines the figure's width."""
    return -(-len(np.unique(labels)) // 18)
