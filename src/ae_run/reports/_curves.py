"""Curves with the mean and the standard deviation over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ae_run.drawing.run_data import RunData, floats
from ae_run.drawing.style import Style, log_y
from ae_run.reports.metrics import dig, value
from ae_run.reports.results import Found

# Scores that can be a model's loss, the first that its history has, with their units.
_LOSSES = {"mse": "mean squared error (per pixel)", "nelbo": "negative ELBO (nats per image)"}


def draw_sweep(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure:
    """`metric` against the value of a sweep, one line per name; below, by how much it falls.

    Options: `metric`, `x`, `y`; `labels`, one per name; `baseline`, [metric, label] of one line
    more; `chosen`, a value of the sweep to mark.
    """
    figure = style.figure(6.2, 5.4, options["title"])
    axes, falls = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    lines = [(one, options["metric"], _label(options, found, i)) for i, one in enumerate(found)]
    if "baseline" in options:
        lines.append((found[0], *options["baseline"]))
    for index, (one, metric, label) in enumerate(lines):
        x = floats([float(point) for point in one.points])
        y = np.array([[value(run, metric) for run in one.at(p)] for p in one.points])
        _line(axes, x, y, index, label, style)
        means = y.mean(1)
        falls.plot(x[1:], 100 * (1 - means[1:] / means[:-1]), "o-", ms=3, color=style.color(index))
        falls.set_xticks(x)
    if "chosen" in options:
        for panel in (axes, falls):
            panel.axvline(options["chosen"], color=style.muted, ls=":", lw=1)
        axes.plot([], [], ":", color=style.muted, lw=1, label="chosen by the report")
    axes.set(ylabel=options["y"])
    axes.set_ylim(bottom=0)
    falls.axhline(0, color=style.ink, lw=0.6)
    falls.set(xlabel=options["x"], ylabel="fall from the\nsize before (%)")
    _finish(figure, axes, found)
    return figure


def draw_levels(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """Test MSE over the level of a corruption, one line per name.

    Options: `curve`, a key of `robustness`; `x`; `power` that the level is raised to; `marks`,
    [[MSE, text], …], each a line with crosses where the curves of nets trained at full meet it.
    """
    key, power = options["curve"], float(options.get("power", 1))
    figure = style.figure(6.2, 4.0, options["title"])
    axes, top = figure.subplots(), 0.01
    curves: list[tuple[np.ndarray, np.ndarray]] = []
    for index, one in enumerate(found):
        x = floats(dig(one.first.metrics, ["robustness", key, "levels"]) or ()) ** power
        y = np.array([_curve(run, key, "mse") for run in one.runs]).T  # (levels, seeds)
        if not len(x):
            return None
        _line(axes, x, y, index, _label(options, found, index), style)
        if one.budget == "full":
            curves.append((x, y.mean(1)))
        top = max(top, 1.25 * float(y.max()))
        if not index:
            before = _curve(one.first, key, "input_mse")
            axes.plot(x, before, "--", color=style.muted, lw=1, label="corrupted input itself")
    for level, text in options.get("marks", ()):
        _mark(axes, curves, float(level), text, style)
    axes.set(xlabel=options["x"], ylabel="test MSE against the clean image", ylim=(0, top))
    _finish(figure, axes, found)
    return figure


def draw_chain(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """Test MSE after each of several trainings of one net, beside the report's.

    The names are those of the trainings in their order; the last is a run from scratch, drawn at
    the training with its settings. Options: `metric`; `steps`, a label for each training;
    `report`, its numbers; `scratch`, the place of the run from scratch.
    """
    if len(found) <= len(options["steps"]):
        return None
    *chain, scratch = [value(one.first, options["metric"]) for one in found]
    figure = style.figure(6.8, 4.2, options["title"])
    axes, places = figure.subplots(), np.arange(1, len(chain) + 1)
    axes.plot(places, chain, "o-", ms=5, color=style.color(0), label="one net, trained on")
    axes.plot(places, options["report"], "s--", ms=5, color=style.color(4), label="report")
    axes.plot(options["scratch"], scratch, "^", ms=8, color=style.color(2), label="from scratch")
    axes.set_xticks(places, options["steps"])
    axes.set(xlabel="learning rate / batch size / epochs", ylabel="test MSE (per pixel)")
    log_y(axes)
    axes.legend()
    return figure


def draw_probe_history(
    found: Sequence[Found],
    options: Mapping[str, Any],
    style: Style,
) -> Figure | None:
    """Loss and accuracy of the classifier on the frozen codes, per epoch."""
    history = dig(found[0].first.metrics, ["probe", "mlp", "history"])
    if not history:
        return None
    figure = style.figure(8.4, 3.4, options["title"])
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, len(history["train_loss"]) + 1)
    for panel, score in ((left, "loss"), (right, "accuracy")):
        for index, name in enumerate(("train", "validation")):
            values = history.get(f"{name}_{score}")
            if values:
                label = name.replace("train", "training")
                panel.plot(epochs, floats(values), color=style.color(index), label=label)
        panel.set_xlabel("epoch")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylabel("cross-entropy (nats per letter)")
    left.legend()
    test = found[0].first.score("probe", "mlp", "accuracy")
    if test is not None:
        right.axhline(test, color=style.ink, ls=":", lw=1, label=f"test, in the end: {test:.4f}")
    right.set_ylabel("accuracy")
    right.legend(loc="lower right")
    return figure


def draw_losses(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure:
    """Training and validation loss of several models, one panel each. Options: `labels`."""
    figure = style.figure(3.2 * len(found) + 0.4, 3.2, options["title"])
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for index, (axes, one) in enumerate(zip(panels, found, strict=True)):
        run = one.first
        score = next(s for s in _LOSSES if np.isfinite(run.column(f"train_{s}")).any())
        epochs = np.arange(1, len(run.history) + 1)
        for line, (split, name) in enumerate((("train", "training"), ("validation", "validation"))):
            values = run.column(f"{split}_{score}")
            if np.isfinite(values).any():
                axes.plot(epochs, values, "o-", ms=2.5, color=style.color(line), label=name)
        axes.set_title(_label(options, found, index))
        axes.set(xlabel="epoch", ylabel=_LOSSES[score])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if score == "mse":
            log_y(axes)
    panels[0].legend()
    return figure


def _curve(run: RunData, key: str, score: str) -> np.ndarray:
    return floats(dig(run.metrics, ["robustness", key, score]) or ())


def _label(options: Mapping[str, Any], found: Sequence[Found], index: int) -> str:
    labels = options.get("labels")
    return str(labels[index]) if labels else found[index].name


def _line(axes: Axes, x: np.ndarray, y: np.ndarray, index: int, label: str, style: Style) -> None:
    """Mean over the seeds of y (points, seeds), with bars of one standard deviation."""
    axes.errorbar(
        x,
        y.mean(1),
        y.std(1, ddof=1) if y.shape[1] > 1 else None,
        fmt=f"{style.marker(8 * index)}-",
        ms=4,
        capsize=2.5,
        elinewidth=1,
        color=style.color(index),
        label=label,
    )


def _mark(
    axes: Axes,
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    level: float,
    text: str,
    style: Style,
) -> None:
    """A horizontal line at the report's value, and crosses where the curves meet it."""
    places = [place for x, y in curves if (place := crossing(x, y, level)) is not None]
    where = f", met at {' and '.join(f'{place:.2g}' for place in places)}" if places else ""
    axes.axhline(level, color=style.ink, ls=":", lw=1, label=f"{text}: {level:g}{where}")
    axes.plot(places, [level] * len(places), "x", color=style.ink, ms=8, mew=2)


def crossing(x: np.ndarray, y: np.ndarray, level: float) -> float | None:
    """The x at which the curve first meets the level, between its points, or None."""
    for i in range(len(x) - 1):
        low, high = y[i], y[i + 1]
        if min(low, high) <= level <= max(low, high) and low != high:
            return float(x[i] + (x[i + 1] - x[i]) * (level - low) / (high - low))
    return None


def _finish(figure: Figure, axes: Axes, found: Sequence[Found]) -> None:
    """The legend below, where no curve is."""
    seeds = max(len(one.at(one.planned[0].point)) for one in found)
    title = f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else None
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, title=title, loc="outside lower center", ncols=2)
