"""Loss curves of several runs in one drawing: paths for an SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator

from ae_run.comparison.runs import FoundRun
from ae_run.drawing.words import axis
from ae_run.headline import Lead

WIDTH, HEIGHT = 720, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 24, 10, 44
_MOST_POINTS = 300
_TICKS = 6


class Named(Protocol):
    """What a curve takes of the line of its run in the table."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def color(self) -> int: ...


@dataclass(frozen=True)
class Curve:
    """The curve of a run."""

    id: str
    name: str
    color: int
    path: str
    """The `d` of an SVG path."""


@dataclass(frozen=True)
class Curves:
    """Curves and their axes, in the units of the drawing."""

    label: str
    """Of the vertical axis."""
    across: list[tuple[float, str]]
    up: list[tuple[float, str]]
    """Place and text of the ticks."""
    lines: list[Curve]


def of(runs: Sequence[FoundRun], lines: Sequence[Named], lead: Lead) -> Curves | None:
    """The leading score on validation images by epoch, or that in training where none has any.

    log p(x) is known at the end only: the negative ELBO stands in for it.
    """
    key = "nelbo" if lead.key == "log_likelihood" else lead.key
    histories = [run.folder.read_csv("history.csv") for run in runs]
    columns = (f"validation_{key}", f"train_{key}", "train_total")
    count = {name: sum(any(row.get(name) for row in h) for h in histories) for name in columns}
    column = max(columns, key=lambda name: count[name])
    if not count[column]:
        return None
    points = [_points(history, column) for history in histories]
    drawn = [(line, at) for line, at in zip(lines, points, strict=True) if len(at)]
    every = np.concatenate([at for _, at in drawn])
    last = max(2.0, float(every[:, 0].max()))
    low, high = float(every[:, 1].min()), float(every[:, 1].max())
    log = low > 0
    low, high = (math.log10(low), math.log10(high)) if log else (low, high)
    margin = 0.04 * (high - low) or 0.5
    low, high = low - margin, high + margin
    wide, tall = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def across(epoch: Any) -> Any:
        return _LEFT + (epoch - 1) / (last - 1) * wide

    def up(value: Any) -> Any:
        return _TOP + (high - (np.log10(value) if log else value)) / (high - low) * tall

    values = _ticks(10**low, 10**high, log) if log else _ticks(low, high, log)
    epochs = [float(at) for at in MaxNLocator(_TICKS, integer=True).tick_values(1, last)]
    split, _, key = column.partition("_")
    return Curves(
        f"{split}: {axis(key)}",
        [(round(float(across(at)), 1), f"{at:,.0f}") for at in epochs if 1 <= at <= last],
        [
            (round(float(up(value)), 1), text)
            for value, text in zip(values, _texts(values), strict=True)
        ],
        [
            Curve(line.id, line.name, line.color, _path(across(at[:, 0]), up(at[:, 1])))
            for line, at in drawn
        ],
    )


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Round numbers between the two."""
    even = MaxNLocator(_TICKS)
    places = [LogLocator(subs=(1.0, 2.0, 5.0), numticks=_TICKS), even] if log else [even]
    each = ([float(at) for at in place.tick_values(low, high)] for place in places)
    inside = [[at for at in ticks if low <= at <= high] for ticks in each]
    return next((ticks for ticks in inside if len(ticks) > 2), inside[-1])


def _texts(values: Sequence[float]) -> list[str]:
    """The numbers with as many digits as tell them apart, three at least."""
    each = ([f"{value:.{digits}g}" for value in values] for digits in range(3, 9))
    return next((texts for texts in each if len({*texts}) == len(texts)), [""] * len(values))


def _points(history: Sequence[dict[str, str]], column: str) -> np.ndarray:
    """Epoch and value (n, 2); of long histories every n-th epoch and the last."""
    found = []
    for row in history:
        try:
            epoch, value = float(row.get("epoch") or "nan"), float(row.get(column) or "nan")
        except ValueError:
            continue
        if math.isfinite(epoch) and math.isfinite(value):
            found.append((epoch, value))
    step = -(-len(found) // _MOST_POINTS) or 1
    kept = found[::step] + ([found[-1]] if found and (len(found) - 1) % step else [])
    return np.array(kept, float).reshape(-1, 2)


def _path(x: np.ndarray, y: np.ndarray) -> str:
    pairs = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]
    # A single epoch is a dot: a line of no length with round ends.
    return f"M{'L'.join(pairs if len(pairs) > 1 else pairs * 2)}"
