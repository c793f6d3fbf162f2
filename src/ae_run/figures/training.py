"""Training: loss curves, and reconstructions at several epochs."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ae_run.drawing.image_grid import Block, grid_figure, pick
from ae_run.drawing.run_data import RunData
from ae_run.drawing.style import Style, log_y, plain
from ae_run.drawing.words import axis
from ae_run.figures._section import Section

section = Section("Training")

_TERMS = 6  # at most
_IMAGES, _EPOCHS = 10, 10


def _caption(run: RunData) -> str:
    validated = np.isfinite(run.column(f"validation_{_terms(run)[0]}")).any()
    splits = "training and validation images" if validated else "training images"
    parts = [f"Every loss term on {splits}, averaged over each epoch"]
    if _best_row(run) is not None:
        parts[0] += "; the dotted line marks the epoch whose weights were kept"
    if validated:
        corrupted = (run.config.get("corruption") or {}).get("name", "none") != "none"
        parts.append(
            "Training values are measured while the weights change"
            + (", on newly corrupted images" if corrupted else "")
            + ", so they can lie above the validation values"
        )
    return ". ".join([*parts, "Bottom: the learning rate."])


@section.figure("Loss curves", _caption)
def loss_curves(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs the history."""
    if not run.history:
        return None
    terms = _terms(run)
    heights = [2.6] + [1.5] * (len(terms) - 1) + [0.8]
    figure = style.figure(7, sum(heights) + 0.8, title, run.label)
    panels = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)
    axes: list[Axes] = list(panels[:, 0])
    epochs = _epochs(run)
    for panel, term in zip(axes, terms, strict=False):
        _curves(panel, run, style, epochs, term)
    _best(axes[0], run, style, epochs, terms[0])
    rate = axes[-1]
    rate.plot(epochs, run.column("lr"), color=style.muted, **_marks(epochs))
    rate.set(ylabel="learning rate", xlabel="epoch")
    rate.yaxis.set_major_locator(MaxNLocator(3))
    rate.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    rate.set_ylim(bottom=0)
    rate.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
    rate.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
    _stages(axes, run, style, epochs)
    lines = {label: line for panel in axes for line, label in _handles(panel)}
    labels = sorted(lines, key=lambda label: (label.startswith("best"), label))
    figure.legend([lines[label] for label in labels], labels, loc="outside lower center", ncols=3)
    figure.align_ylabels(axes)
    return figure


def _terms(run: RunData) -> list[str]:
    """Names of the loss terms, the monitored one first; a total of one term is dropped."""
    names: dict[str, None] = {}
    for column in run.history[0] if run.history else ():
        for split in ("train_", "validation_"):
            name = column.removeprefix(split)
            if name not in (column, "seconds") and np.isfinite(run.column(column)).any():
                names.setdefault(name)
    total = run.column("train_total")
    if any(
        np.allclose(run.column(f"train_{name}"), total, equal_nan=True)
        for name in names
        if name != "total"
    ):
        names.pop("total", None)
    monitor = str(run.run.get("monitor", "validation_mse")).removeprefix("validation_")
    return sorted(names, key=lambda name: (name != monitor, name != "total"))[:_TERMS] or ["mse"]


def _epochs(run: RunData) -> np.ndarray:
    """Epoch numbers (epochs,); counted from 1 if the column does not increase."""
    epochs = run.column("epoch")
    return epochs if np.all(np.diff(epochs) > 0) else np.arange(1.0, len(epochs) + 1)


def _marks(epochs: np.ndarray) -> dict[str, Any]:
    return {"marker": "o", "ms": 3} if len(epochs) <= 30 else {}


def _handles(axes: Axes) -> Iterator[tuple[Artist, str]]:
    return zip(*axes.get_legend_handles_labels(), strict=True)


def _curves(axes: Axes, run: RunData, style: Style, epochs: np.ndarray, term: str) -> None:
    values = []
    for index, split in enumerate(("train", "validation")):
        column = run.column(f"{split}_{term}")
        seen = np.isfinite(column)
        if seen.any():
            axes.plot(
                epochs[seen],
                column[seen],
                color=style.color(index),
                label=split,
                ls="-" if index else (0, (5, 1)),
                **_marks(epochs),
            )
            values.append(column[seen])
    axes.set_ylabel(axis(term, 20))
    everything = np.concatenate(values) if values else np.ones(1)
    falls = everything[0] > everything[-1]
    if falls and everything.min() > 0 and everything.max() / everything.min() > 5:
        log_y(axes)


def _best(axes: Axes, run: RunData, style: Style, epochs: np.ndarray, term: str) -> None:
    row = _best_row(run)
    if row is None:
        return
    value = run.column(f"validation_{term}")[row]
    text = f"best: epoch {run.run['best_epoch']}"
    text += f", {value:.4g}" if np.isfinite(value) else ""
    axes.axvline(epochs[row], color=style.ink, lw=1, ls=":", label=text)


def _best_row(run: RunData) -> int | None:
    """The first row of the best epoch's number in the history."""
    rows = np.flatnonzero(run.column("epoch") == run.run.get("best_epoch"))
    return int(rows[0]) if len(rows) else None


def _stages(axes: list[Axes], run: RunData, style: Style, epochs: np.ndarray) -> None:
    """Shade every second stage and label each."""
    stages = [row.get("stage", "") for row in run.history]
    starts = [0] + [i for i in range(1, len(stages)) if stages[i] != stages[i - 1]]
    if len(starts) < 2:
        return
    for index, start in enumerate(starts):
        end = starts[index + 1] if index + 1 < len(starts) else len(stages)
        left, right = epochs[start] - 0.5, epochs[end - 1] + 0.5
        for panel in axes:
            if index % 2:
                panel.axvspan(left, right, color=style.muted, alpha=0.12, lw=0)
        axes[0].text(
            (left + right) / 2,
            1.01,
            plain(stages[start]),
            ha="center",
            va="bottom",
            transform=axes[0].get_xaxis_transform(),
            size=style.rc["xtick.labelsize"],
        )


def _split(run: RunData) -> str:
    of = (run.run.get("data") or {}).get("validation")
    split = "training" if of == 0 else "validation"
    return f"The same {split} images, reconstructed at several epochs."


@section.figure("Reconstructions during training", _split)
def snapshots(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `snapshots_images` (E, m, C, H, W), `_epochs` (E,) and `_target` (m, C, H, W)."""
    arrays = (run.array(f"snapshots_{key}") for key in ("images", "epochs", "target"))
    images, epochs, target = arrays
    if images is None or epochs is None:
        return None
    shown = pick(len(images), _EPOCHS)
    blocks = [
        Block(
            images[shown, :_IMAGES],
            row_labels=[f"epoch {int(epoch)}" for epoch in epochs[shown]],
        )
    ]
    if target is not None:
        blocks.insert(0, Block(np.stack([target[:_IMAGES]]), row_labels=["original"]))
    return grid_figure(style, title, run.label, blocks)
