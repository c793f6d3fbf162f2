"""Reconstruction from corrupted input, over the level of each corruption."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ae_run.drawing.image_grid import COLUMNS, Block, grid_figure, pick
from ae_run.drawing.run_data import RunData, floats
from ae_run.drawing.style import Style, plain
from ae_run.drawing.words import axis, curve_title, level
from ae_run.figures._section import Section

section = Section("Robustness")

_PER_ROW = 3
_EXAMPLES = 2
_OWN = "own"


def _caption(run: RunData) -> str:
    curves: dict[str, Any] = run.metrics.get("robustness") or {}
    drawn = {key for curve in curves.values() for key in curve}
    text = (
        "Error of the reconstruction against the clean image as the corruption grows, on the same "
        "corrupted test images for every model."
    )
    if "input_mse" in drawn:
        text += (
            " Dashed: the error of the corrupted input itself. Where the solid line is below the "
            "dashed line, the model removes more error than it adds."
        )
    if "pca_mse" in drawn:
        text += " PCA keeps as many numbers of an image as the code."
    if _OWN in curves:
        text += " Last panel: the corruption used in training, at several strengths."
    return text


@section.figure("Robustness", _caption)
def robustness(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `robustness` in the metrics."""
    curves: dict[str, Any] = run.metrics.get("robustness") or {}
    if not curves:
        return None
    columns = style.across(min(_PER_ROW, len(curves)), 2.2)
    rows = -(-len(curves) // columns)
    figure = style.figure(max(4.8, 3.3 * columns), 2.7 * rows + 0.7, title, run.label)
    panels: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes, (name, curve) in zip(panels, curves.items(), strict=False):
        _panel(axes, name, curve, style)
    for axes in panels[len(curves) :]:
        axes.axis("off")
    for row in range(rows):
        panels[row * columns].set_ylabel(axis("mse"))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def _panel(axes: Axes, name: str, curve: dict[str, Any], style: Style) -> None:
    levels = curve["levels"]
    axes.plot(
        levels, floats(curve["mse"]), "o-", ms=3.5, color=style.color(0), label="reconstruction"
    )
    if "pca_mse" in curve:
        axes.plot(levels, floats(curve["pca_mse"]), "s-", ms=3, color=style.color(1), label="PCA")
    if "input_mse" in curve:
        axes.plot(
            levels, floats(curve["input_mse"]), "--", color=style.muted, label="corrupted input"
        )
    axes.set_title(plain(curve_title(name, curve), 34))
    axes.set_xlabel(plain(level(curve), 44))
    axes.set_ylim(bottom=0)


@section.figure(
    "Robustness, examples",
    "Test images under a corruption that grows from left to right (its level is shown above), with "
    "their reconstructions below.",
)
def robustness_examples(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `robustness_<key>_inputs` and `_outputs` (L, m, C, H, W) of a corruption."""
    blocks: list[Block] = []
    for key, curve in (run.metrics.get("robustness") or {}).items():
        inputs, outputs = (run.array(f"robustness_{key}_{end}") for end in ("inputs", "outputs"))
        if inputs is None or outputs is None:
            continue
        shown = pick(len(inputs), style.across(COLUMNS, 0.5))
        levels = [f"{curve['levels'][index]:g}" for index in shown]
        name = f"{curve_title(key, curve)} ({level(curve)})"
        blocks += [
            Block(
                np.stack([inputs[shown, example], outputs[shown, example]]),
                row_labels=["input", "reconstruction"],
                column_labels=levels if example == 0 else (),
                title=plain(name, 90) if example == 0 else "",
            )
            for example in range(min(_EXAMPLES, inputs.shape[1]))
        ]
    return grid_figure(style, title, run.label, blocks) if blocks else None
