"""What only the reports' pages draw; everything else is a figure file of `ae_run.figures`.

A drawing takes the runs behind the names that a figure lists, and its options. A figure file of
the program is drawn once per name.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ae_run.drawing.style import Style
from ae_run.errors import UserError
from ae_run.figures import available
from ae_run.reports.results import Found

Drawing = Callable[[Sequence[Found], Mapping[str, Any], Style], Figure | None]
_MODULES = ("curves", "grids", "classes")


def pictures(
    draw: str, found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> dict[str, Figure]:
    """The figures of one entry of a report: by name of a run, or one under an empty name.

    Raises:
        UserError: there is no such drawing.
    """
    for module in _MODULES:
        drawing: Drawing | None = getattr(_import(module), f"draw_{draw}", None)
        if drawing is not None:
            figure = drawing(found, options, style)
            return {"": figure} if figure is not None else {}
    by_name = {file.name: file for file in available()}
    if draw not in by_name:
        raise UserError(f"draw: {draw}: there is no such drawing")
    drawn = {one.name if len(found) > 1 else "": by_name[draw].draw(one.first, style)
             for one in found}  # fmt: skip
    return {name: figure for name, figure in drawn.items() if figure is not None}


def files(draw: str, found: Sequence[Found]) -> dict[str, bytes]:
    """What an entry has besides pictures, such as an animation, by file name."""
    figure_file = {file.name: file for file in available()}.get(draw)
    if figure_file is None or figure_file.files is None:
        return {}
    return {
        f"{one.name}-{name}": content
        for one in found
        for name, content in figure_file.files(one.first).items()
    }


def _import(module: str) -> Any:
    return importlib.import_module(f"ae_run.reports._{module}")
