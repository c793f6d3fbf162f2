"""Curves with the mean and the standard deviation over seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ae_run.drawing.run_data import RunData, floats
from ae_run.drawing.style import Style, log_y
from ae_run.reports.results import Found, dig, value


def draw_sweep(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure:
    """`metric` against the value of a sweep, one line per name.

    Options: `metric`, `x`, `y`, and `labels`, one per name.
    """
    figure = style.figure(6.2, 3.8, options["title"])
    axes = figure.subplots()
    for index, one in enumerate(found):
        x = floats([float(point) for point in one.points])
        y = np.array([[value(run, options["metric"]) for run in one.at(p)] for p in one.points])
        _line(axes, x, y, index, _label(options, found, index), style)
        axes.set_xticks(x)
    axes.set(xlabel=options["x"], ylabel=options["y"])
    axes.set_ylim(bottom=0)
    _finish(figure, axes, found)
    return figure


def draw_levels(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """Test MSE over the level of a corruption, one line per name.

    Options: `curve`, a key of `robustness` or a list of them with one line each; `x`; `power`
    that the level is raised to; `marks`, [[MSE, text], …], each with a cross where the first
    line meets it; `input`, whether to draw the corrupted input's own error.
    """
    keys = options["curve"] if isinstance(options["curve"], list) else [options["curve"]]
    figure = style.figure(6.2, 4.0, options["title"])
    axes, power = figure.subplots(), float(options.get("power", 1))
    first: tuple[np.ndarray, np.ndarray] | None = None
    top = 0.01
    for index, (one, key) in enumerate((one, key) for key in keys for one in found):
        x = floats(dig(one.first.metrics, ["robustness", key, "levels"]) or ()) ** power
        y = np.array([_curve(run, key, "mse") for run in one.runs]).T  # (levels, seeds)
        if not len(x):
            return None
        _line(axes, x, y, index, _label(options, found, index), style)
        first = first or (x, y.mean(1))
        top = max(top, 1.25 * float(y.max()))
    if options.get("input", True) and first is not None:
        before = _curve(found[0].first, keys[0], "input_mse")
        axes.plot(first[0], before, "--", color=style.muted, lw=1, label="corrupted input itself")
        axes.set_ylim(0, top)
    for level, text in options.get("marks", ()):
        _mark(axes, first, float(level), text, style)
    axes.set(xlabel=options["x"], ylabel="test MSE against the clean image")
    axes.set_ylim(bottom=0)
    _finish(figure, axes, found)
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
    names = {"train_loss": "training", "validation_loss": "validation"}
    for index, (key, name) in enumerate(names.items()):
        if key in history:
            left.plot(epochs, history[key], color=style.color(index), label=name)
    left.set(xlabel="epoch", ylabel="cross-entropy (nats per letter)")
    left.legend()
    if "validation_accuracy" in history:
        right.plot(epochs, history["validation_accuracy"], color=style.color(1), label="validation")
    test = found[0].first.score("probe", "mlp", "accuracy")
    if test is not None:
        right.axhline(test, color=style.ink, ls=":", lw=1, label=f"test, in the end: {test:.4f}")
    right.set(xlabel="epoch", ylabel="accuracy")
    right.legend(loc="lower right")
    return figure


def draw_losses(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure:
    """Training and validation loss of several models, one panel each."""
    figure = style.figure(3.0 * len(found) + 0.4, 3.2, options["title"])
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for index, (axes, one) in enumerate(zip(panels, found, strict=True)):
        run, score = one.first, str(options.get("score", "mse"))
        epochs = np.arange(1, len(run.history) + 1)
        for line, (split, name) in enumerate((("train", "training"), ("validation", "validation"))):
            values = run.column(f"{split}_{score}")
            if np.isfinite(values).any():
                axes.plot(epochs, values, "o-", ms=2.5, color=style.color(line), label=name)
        axes.set_title(_label(options, found, index))
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        log_y(axes)
    panels[0].set_ylabel(str(options.get("y", "mean squared error (per pixel)")))
    panels[0].legend()
    return figure


def _curve(run: RunData, key: str, score: str) -> np.ndarray:
    return floats(dig(run.metrics, ["robustness", key, score]) or ())


def _label(options: Mapping[str, Any], found: Sequence[Found], index: int) -> str:
    labels = options.get("labels")
    return str(labels[index]) if labels else found[index % len(found)].name


def _line(axes: Axes, x: np.ndarray, y: np.ndarray, index: int, label: str, style: Style) -> None:
    """Mean over the seeds of y (points, seeds), with bars of one standard deviation."""
    spread = y.std(1, ddof=1) if y.shape[1] > 1 else None
    axes.errorbar(
        x, y.mean(1), spread, fmt=f"{style.marker(8 * index)}-", ms=4, capsize=2.5,
        elinewidth=1, color=style.color(index), label=label,
    )  # fmt: skip


def _mark(
    axes: Axes, line: tuple[np.ndarray, np.ndarray] | None, level: float, text: str, style: Style
) -> None:
    """A horizontal line at the report's value, and where the curve meets it."""
    axes.axhline(level, color=style.ink, ls=":", lw=1)
    place = crossing(*line, level) if line is not None else None
    where = "" if place is None else f", met at {place:.2g}"
    axes.annotate(
        f"{text}: {level:g}{where}", (1, level), xycoords=("axes fraction", "data"),
        xytext=(0, 2), textcoords="offset points", ha="right", va="bottom",
        size=style.rc["xtick.labelsize"],
    )  # fmt: skip
    if place is not None:
        axes.plot([place], [level], "x", color=style.ink, ms=8, mew=2)


def crossing(x: np.ndarray, y: np.ndarray, level: float) -> float | None:
    """Where the curve first meets the level, between its points; None where it does not."""
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
    figure.legend(handles, labels, title=title, loc="outside lower center", ncols=3)
