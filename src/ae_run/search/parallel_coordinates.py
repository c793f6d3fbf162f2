"""Parallel coordinates: each trial as a line through its values."""

from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_run.drawing.style import Style, plain
from ae_run.search.parameters import Choice, Parameter
from ae_run.search.trials import SearchData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Parallel coordinates"
_UNUSED = -0.14


def parallel(data: SearchData, style: Style) -> "Figure | None":
    """Each complete trial as a line through its values; dark where it is good."""
    done = data.shown_complete
    space = [p for p in data.space if any(p.key in t.params for t in done)]
    if len(done) < 2 or not space:
        return None
    figure = style.figure(1.1 * len(space) + 2.4, 4.4, TITLE, data.name)
    axes = figure.subplots()
    scores = np.array([t.values[0] for t in done])
    ranks = (data.sign * scores).argsort().argsort() / max(1, len(done) - 1)  # 0: the best
    columns = [[_place(p, t.params) for t in done] for p in space]
    low, high = float(scores.min()), float(scores.max())
    columns.append([(s - low) / ((high - low) or 1) for s in scores.tolist()])
    import matplotlib

    colors = matplotlib.colormaps[style_map(style)]
    for i in np.argsort(-ranks):
        line = [column[i] for column in columns]
        axes.plot(range(len(line)), line, color=colors(1 - ranks[i]), alpha=0.75, lw=1.1)
    for x, parameter in enumerate(space):
        unused = [(_UNUSED, "not used")] * any(y == _UNUSED for y in columns[x])
        _scale(axes, x, style, [*_ends(parameter), *unused])
    _scale(axes, len(space), style, [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")])
    names = [p.key.replace(".", ".\n") for p in space]
    names.append("\n".join(wrap(data.score, 12)))
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.3, len(names) - 0.55)
    axes.set_ylim(min(0, *(y for column in columns for y in column)) - 0.05, 1.05)
    axes.yaxis.set_visible(False)
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return figure


def _place(p: Parameter, chosen: Mapping[str, Any]) -> float:
    """Where on its axis a trial's value lies, or below it where the trial has none."""
    return _share(p, chosen[p.key]) if p.key in chosen else _UNUSED


def _share(p: Parameter, value: Any) -> float:
    """Where on its axis a value lies: 0 … 1."""
    if isinstance(p, Choice):
        return [text(c) for c in p.choices].index(text(value)) / max(1, len(p.choices) - 1)
    if p.log:
        return float(np.log(value / p.low) / (np.log(p.high / p.low) or 1))
    return float((value - p.low) / ((p.high - p.low) or 1))


def _ends(p: Parameter) -> list[tuple[float, str]]:
    if isinstance(p, Choice):
        return [(_share(p, c), text(c)) for c in p.choices]
    return [(0.0, f"{p.low:.4g}"), (1.0, f"{p.high:.4g}")]


def _scale(axes: "Axes", x: int, style: Style, ticks: list[tuple[float, str]]) -> None:
    axes.axvline(x, color=style.muted, lw=0.8)
    for y, text in ticks:
        axes.text(
            x + 0.04,
            y,
            text,
            size=style.rc["xtick.labelsize"],
            va="center",
            color=style.ink,
            zorder=5,
            bbox={"facecolor": style.face, "alpha": 0.9, "lw": 0, "pad": 0.8},
        )


def style_map(style: Style) -> str:
    """A colour map whose far end stands out from the background."""
    return "viridis" if style.name == "dark" else "viridis_r"


def text(value: Any) -> str:
    """A choice as it is written on an axis."""
    return "null" if value is None else plain(str(value))
