"""Figures of a search, drawn from its finished trials."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_run.atomic import write_bytes
from ae_run.drawing.looks import FORMATS, looks, rendered
from ae_run.drawing.style import Style, log_y
from ae_run.run_folder import RunFolder
from ae_run.schema import FiguresConfig
from ae_run.search.parallel_coordinates import TITLE, parallel, style_map, text
from ae_run.search.parameters import Choice, FloatRange, IntRange, Parameter
from ae_run.search.trials import SearchData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator


def draw(data: SearchData, folder: RunFolder, config: FiguresConfig) -> list[str]:
    """Draw all figures that the trials have data for into `figures/`; return their names."""
    names: dict[str, None] = {}
    for look in looks(folder.file("figures"), config):
        with look.context():
            for name, (_, _, make) in FIGURES.items():
                figure = make(data, look.style)
                for kind in FORMATS:
                    (look.folder / f"{name}.{kind}").unlink(missing_ok=True)
                if figure is None:
                    continue
                names.setdefault(name)
                for kind in look.formats:
                    write_bytes(look.folder / f"{name}.{kind}", rendered(figure, kind))
    return list(names)


def history(data: SearchData, style: Style) -> "Figure | None":
    """The score of every trial."""
    if not data.complete:
        return None
    figure = style.figure(7, 3.4, TITLES["history"], data.name)
    axes = figure.subplots()
    done = sorted(data.complete, key=lambda p: p.number)
    scores = [p.values[0] for p in done]
    last = max(p.number for p in data.trials)
    best = (np.minimum if data.sign > 0 else np.maximum).accumulate(scores)
    numbers = [*(p.number for p in done), last]
    axes.step(numbers, [*best, best[-1]], where="post", color=style.color(4), label="best so far")
    _score_axis(axes, data, "y", scores)
    for state, marker, color in (("pruned", "x", style.muted), ("complete", "o", style.color(0))):
        shown = [p for p in data.shown if p.state == state and p.values]
        found = [p.number for p in shown], [p.values[0] for p in shown]
        look: dict[str, Any] = {"s": 18, "marker": marker, "color": color, "lw": 1.2, "zorder": 3}
        _points(axes, data, style, *found, label=state if shown else None, **look)
    failed = [p.number for p in data.shown if p.state == "failed"]
    if failed:
        axes.plot(
            failed,
            [0.02] * len(failed),
            "v",
            ms=5,
            color=style.color(3),
            label="failed",
            transform=axes.get_xaxis_transform(),
        )
    axes.set(xlabel="trial", ylabel=data.axis.replace(" (", "\n("), xlim=(-0.5, last + 0.5))
    axes.xaxis.set_major_locator(_whole())
    handles, labels = axes.get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    figure.legend(known.values(), known, loc="outside lower center", ncols=5)
    return figure


def _points(
    axes: "Axes",
    data: SearchData,
    style: Style,
    x: list[Any],
    scores: list[float],
    label: str | None = None,
    **look: Any,
) -> Any:
    """Scatter scores; those beyond the axis are marked at its end. Returns the points."""
    low, high = axes.get_ylim()
    beyond = high if data.sign > 0 else low
    outside = [at for at, score in zip(x, scores, strict=True) if not low <= score <= high]
    if outside:
        axes.plot(
            outside,
            [beyond] * len(outside),
            "^" if data.sign > 0 else "v",
            ms=6,
            mfc="none",
            mec=style.color(3),
            label="beyond the axis",
            clip_on=False,
            zorder=4,
        )
    return axes.scatter(x, scores, label=label, **look)


def _whole() -> "Locator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True, min_n_ticks=1)


def _score_axis(axes: "Axes", data: SearchData, which: str, scores: list[float]) -> None:
    """Scale the axis to the good scores; bad ones lie beyond it."""
    every = data.sign * np.array(scores)
    best, usual, worst = np.quantile(every, [0, 0.5, 0.9])
    # One bad score among few would squeeze all others into a line.
    worst = min(worst, usual + 4 * (usual - best)) if usual > best else worst
    margin = 0.35 * (worst - best) or 0.05 * abs(best) or 1e-6
    ends = sorted((data.sign * (best - 0.2 * margin), data.sign * (worst + margin)))
    (axes.set_ylim if which == "y" else axes.set_xlim)(*ends)


def intermediate(data: SearchData, style: Style) -> "Figure | None":
    """The score of every trial over its epochs."""
    shown = [p for p in data.shown if p.steps]
    if not shown:
        return None
    figure = style.figure(7, 3.6, TITLES["intermediate"], data.name)
    axes = figure.subplots()
    best = min(data.complete, key=lambda p: data.sign * p.values[0], default=None)
    for point in shown:
        epochs, scores = zip(*sorted(point.steps.items()), strict=True)
        pruned = point.state != "complete"
        axes.plot(
            epochs,
            scores,
            lw=0.8,
            color=style.muted if pruned else style.color(0),
            alpha=0.8 if pruned else 0.55,
            ls=(0, (4, 2)) if pruned else "-",
        )
        if pruned:
            axes.plot(epochs[-1:], scores[-1:], "x", ms=5, color=style.muted)
    if best is not None and best.steps:
        epochs, scores = zip(*sorted(best.steps.items()), strict=True)
        axes.plot(epochs, scores, color=style.color(4), lw=2)
    for label, kind in (
        ("complete", {"color": style.color(0)}),
        ("pruned", {"color": style.muted, "ls": (0, (4, 2)), "marker": "x"}),
        ("best", {"color": style.color(4), "lw": 2}),
    ):
        axes.plot([], [], label=label, **kind)
    every = [s for p in shown for s in p.steps.values()]
    if data.sign > 0 and min(every) > 0 and max(every) / min(every) > 3:
        log_y(axes)
    axes.set(xlabel="epoch", ylabel=data.axis.replace(" (", "\n("))
    axes.xaxis.set_major_locator(_whole())
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def importances(data: SearchData, style: Style) -> "Figure | None":
    """How much of the score's variance each parameter explains."""
    if not data.importances:
        return None
    shares = sorted(data.importances.items(), key=lambda item: item[1])
    figure = style.figure(6, 1 + 0.33 * len(shares), TITLES["importances"], data.name)
    axes = figure.subplots()
    bars = axes.barh(
        [key for key, _ in shares],
        [share for _, share in shares],
        color=style.color(0),
        height=0.65,
    )
    axes.bar_label(bars, [f"{share:.2f}" for _, share in shares], padding=3)
    when = f" after epoch {data.importances_epoch}" if data.importances_epoch else ""
    axes.set(xlabel=f"share of the scores' variance{when} (fANOVA)")
    axes.set_xlim(0, 1.12 * max(share for _, share in shares) or 1)
    axes.grid(visible=False, axis="y")
    return figure


def slices(data: SearchData, style: Style) -> "Figure | None":
    """Score against each parameter."""
    done = data.shown_complete
    space = [p for p in data.space if any(p.key in t.params for t in done)]
    if not space:
        return None
    columns = style.across(min(3, len(space)), 1.6)
    rows = -(-len(space) // columns)
    figure = style.figure(2.6 * columns + 0.4, 2.3 * rows + 0.6, TITLES["slices"], data.name)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    scores = [t.values[0] for t in done]
    _score_axis(panels[0, 0], data, "y", scores)
    for panel in panels.flat[len(space) :]:
        panel.set_visible(False)
    shade: Any = None
    pruned = [t for t in data.shown if t.state == "pruned" and t.values]
    for panel, parameter in zip(panels.flat, space, strict=False):
        left = [t for t in pruned if parameter.key in t.params]
        x = _positions(panel, parameter, [t.params[parameter.key] for t in left])
        look: dict[str, Any] = {"marker": "x", "s": 12, "lw": 0.8, "color": style.muted}
        _points(panel, data, style, x, [t.values[0] for t in left], **look)
        shown = [t for t in done if parameter.key in t.params]
        x = _positions(panel, parameter, [t.params[parameter.key] for t in shown])
        look = {"c": [t.number for t in shown], "s": 14, "cmap": style_map(style), "lw": 0}
        shade = _points(panel, data, style, x, [t.values[0] for t in shown], **look)
        panel.set_xlabel(parameter.key)
    for row in panels:
        row[0].set_ylabel(data.score.replace(" ", "\n", 1))
    figure.colorbar(shade, ax=panels, label="trial", pad=0.01, aspect=40)
    return figure


def _number_axis(axes: "Axes", parameter: FloatRange | IntRange) -> None:
    """Scale the axis to the searched range, with a small margin."""
    low, high = parameter.low, parameter.high
    if not parameter.log:
        room = 0.04 * (high - low) or 0.5
        axes.set_xlim(low - room, high + room)
        return
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    room = (high / low) ** 0.04 if high > low else 2
    axes.set_xscale("log")
    axes.set_xlim(low / room, high * room)
    wide = high / low > 30
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0), numticks=4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _positions(axes: "Axes", parameter: Parameter, values: list[Any]) -> list[float]:
    if not isinstance(parameter, Choice):
        _number_axis(axes, parameter)
        return [float(value) for value in values]
    names = [text(choice) for choice in parameter.choices]
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.5)
    return [float(names.index(text(value))) for value in values]


def pareto(data: SearchData, style: Style) -> "Figure | None":
    """Score against the other objectives, with the Pareto front."""
    others = data.options.also_minimize
    done = data.complete
    if not others or not done:
        return None
    figure = style.figure(3.6 * len(others) + 0.6, 3.6, TITLES["pareto"], data.name)
    panels = figure.subplots(1, len(others), squeeze=False)[0]
    for index, (panel, name) in enumerate(zip(panels, others, strict=True), 1):
        pairs = sorted((t.values[index], data.sign * t.values[0]) for t in done)
        front, least = [], np.inf
        for other, score in pairs:
            if score < least:
                front.append((other, data.sign * score))
                least = score
        panel.scatter(
            [t.values[index] for t in data.shown_complete],
            [t.values[0] for t in data.shown_complete],
            s=16,
            color=style.muted,
            label="trial",
        )
        panel.step(*zip(*front, strict=True), where="post", color=style.color(4), lw=1)
        panel.plot(*zip(*front, strict=True), "o", ms=5, color=style.color(4), label="Pareto front")
        panel.set(xlabel=name.replace("_", " "), ylabel=data.axis.replace(" (", "\n("))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


TITLES = {
    "history": "Search history",
    "importances": "Importances",
    "slices": "Score by parameter",
    "parallel": TITLE,
    "intermediate": "Scores over epochs",
    "pareto": "Pareto front",
}
_MAKERS: "dict[str, tuple[str, Callable[[SearchData, Style], Figure | None]]]" = {
    "history": (
        "Every trial's score by its number; of a pruned one its last epoch's. Scores far from the "
        "best are marked at the end of the axis.",
        history,
    ),
    "pareto": ("Every complete trial; on the front, no trial is better in both.", pareto),
    "importances": (
        "How much of the score's variance over the trials each parameter explains, alone and "
        "with others (fANOVA; Hutter et al. 2014). Pruned trials count too; all are taken at the "
        "last epoch that all of them reached. With few trials these numbers are rough.",
        importances,
    ),
    "slices": (
        "Each point a complete trial, coloured by its number. A cross is a pruned one, at its last "
        "epoch's score; an open triangle lies beyond the axis.",
        slices,
    ),
    "parallel": (
        "Each line a complete trial, coloured by rank: the best is drawn last and stands out most. "
        "A parameter that depends on another is not used in every trial.",
        parallel,
    ),
    "intermediate": (
        "The score after each epoch. A cross marks where a trial was pruned.",
        intermediate,
    ),
}
FIGURES = {name: (TITLES[name], caption, make) for name, (caption, make) in _MAKERS.items()}
