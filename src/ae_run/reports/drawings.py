"""Figures of the reports' pages: their own drawings, and the figure files of `ae_run.figures`.

A drawing takes the runs behind the names that a figure lists, and its options. A figure file of
the program is drawn once per name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ae_run.drawing.style import Style
from ae_run.errors import UserError
from ae_run.figures import available
from ae_run.reports import _classes, _curves, _grids
from ae_run.reports.results import Found

Drawing = Callable[[Sequence[Found], Mapping[str, Any], Style], Figure | None]
_MODULES = (_curves, _grids, _classes)


def pictures(
    draw: str, found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> dict[str, Figure]:
    """The figures of one entry of a report: by name of a run, or one under an empty name.

    Raises:
        UserError: there is no such drawing.
    """
    drawing: Drawing | None = _find(f"draw_{draw}")
    if drawing is not None:
        return _drawn({"": drawing(found, options, style)})
    by_name = {file.name: file for file in available()}
    if draw not in by_name:
        raise UserError(f"draw: {draw}: there is no such drawing")
    many = len(found) > 1
    drawn = {one.name if many else "": by_name[draw].draw(one.first, style) for one in found}
    return _drawn(drawn)


def _drawn(figures: Mapping[str, Figure | None]) -> dict[str, Figure]:
    """The figures that could be drawn."""
    return {name: figure for name, figure in figures.items() if figure is not None}


def files(draw: str, found: Sequence[Found]) -> dict[str, bytes]:
    """Files of an entry that are no static picture, such as an animation, by name."""
    of_run = _find(f"files_{draw}")
    if of_run is None:
        return {}
    return {f"{one.name}-{name}": file for one in found for name, file in of_run(one.first).items()}


def _find(function: str) -> Any:
    return next((found for m in _MODULES if (found := getattr(m, function, None))), None)
