"""Confusions and scatter plots of several models' codes, by class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ae_run.drawing.confusion import confusion_matrix
from ae_run.drawing.run_data import RunData
from ae_run.drawing.scatter import class_legend, scatter_by_class
from ae_run.drawing.style import Style, plain
from ae_run.reports.metrics import dig
from ae_run.reports.results import Found

_PER_ROW = 4


def draw_confusions(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure:
    """A probe's confusion and accuracy, one panel per model. Options: `classifier`, `labels`."""
    figure, panels = _panels(len(found), 2.9, options, style)
    for index, (axes, one) in enumerate(zip(panels, found, strict=False)):
        probe = dig(one.first.metrics, ["probe", options["classifier"]])
        if not probe:
            continue
        confusion_matrix(axes, np.array(probe["confusion"], float), one.first.names(), style)
        axes.set_title(f"{options['labels'][index]}\n{probe['accuracy']:.4f}")
        if index % _PER_ROW == 0:
            axes.set_ylabel("true")
        if index + _PER_ROW >= len(found):
            axes.set_xlabel("predicted")
    return figure


def draw_embeddings(
    found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> Figure | None:
    """Codes in the plane, one panel per model.

    Options: `array`, and `of`, its labels; `axes`, an array of the names of its axes; `labels`.
    """
    figure, panels = _panels(len(found), 2.9 if len(found) > 1 else 5.0, options, style)
    names: list[str] = []
    every = np.empty(0, int)
    for index, (axes, one) in enumerate(zip(panels, found, strict=False)):
        points = one.first.array(options.get("array", "tsne_2d"))
        labels = one.first.array(options.get("of", "tsne_labels"))
        if points is None or labels is None:
            return None
        names, every = one.first.names(labels), labels
        scatter_by_class(axes, points, labels, names, style, named=False)
        axes.set_title(options["labels"][index])
        _name_axes(axes, one.first, options.get("axes"))
        axes.set_aspect("equal", adjustable="datalim")
    class_legend(figure, every, names, style)
    return figure


def _name_axes(axes: Axes, run: RunData, key: str | None) -> None:
    """The axes' names; without any, an embedding, whose numbers mean nothing."""
    names = run.array(key) if key else None
    if names is None:
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        axes.set(xlabel=plain(str(names[0]), 30), ylabel=plain(str(names[1]), 30))


def _panels(
    count: int, side: float, options: Mapping[str, Any], style: Style
) -> tuple[Figure, list[Axes]]:
    columns = min(_PER_ROW, count)
    rows = -(-count // columns)
    figure = style.figure(side * columns + 1, (side + 0.25) * rows + 0.4, options["title"])
    panels: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in panels[count:]:
        axes.axis("off")
    return figure, panels
