"""What several models' codes say about the classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ae_run.drawing.confusion import confusion_matrix
from ae_run.drawing.scatter import class_legend, scatter_by_class
from ae_run.drawing.style import Style
from ae_run.reports.results import Found, dig

_PER_ROW = 4


def draw_confusions(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure:
    """The softmax probe's confusion and accuracy, one panel per model. Options: `labels`."""
    figure, panels = _panels(len(found), 2.7, options, style)
    for index, (axes, one) in enumerate(zip(panels, found, strict=False)):
        probe = dig(one.first.metrics, ["probe", "softmax"])
        if not probe:
            continue
        confusion_matrix(axes, np.array(probe["confusion"], float), one.first.names(), style)
        for text in list(axes.texts):
            text.remove()
        axes.set_title(f"{options['labels'][index]}\n{probe['accuracy']:.4f}")
    return figure


def draw_embeddings(
    found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> Figure | None:
    """Codes in the plane, one panel per model. Options: `array`, `of`: its labels; `labels`."""
    figure, panels = _panels(len(found), 2.9, options, style)
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
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_aspect("equal", adjustable="datalim")
    class_legend(figure, every, names, style)
    return figure


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
