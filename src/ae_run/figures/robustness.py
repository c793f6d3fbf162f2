"""Error over the level of each corruption."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ae_run.figures._run_data import RunData, floats
from ae_run.figures._style import Style, plain

TITLE = "Robustness"
CAPTION = (
    "Error of the reconstruction against the clean image when the input is corrupted ever more, "
    "on the same corrupted test images for every model. Dashed: the error of the corrupted input "
    "itself; PCA has as many numbers as the code. Own: the corruption that the run was trained "
    "with, around its level. Where the solid line is below the dashed, the model removes more than "
    "it loses."
)
_PER_ROW = 3


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `robustness` in the metrics."""
    curves: dict[str, Any] = run.metrics.get("robustness") or {}
    if not curves:
        return None
    columns = min(_PER_ROW, len(curves))
    rows = -(-len(curves) // columns)
    figure = style.figure(max(4.8, 3.3 * columns), 2.7 * rows + 0.7, TITLE, run.label)
    panels: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes, (name, curve) in zip(panels, curves.items(), strict=False):
        _panel(axes, name, curve, style)
    for axes in panels[len(curves) :]:
        axes.axis("off")
    for row in range(rows):
        panels[row * columns].set_ylabel("mean squared error (per pixel)")
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
    axes.set_title(plain(name.replace("_", " "), 30))
    axes.set_xlabel(plain(str(curve.get("level_name", "level")), 30))
    axes.set_ylim(bottom=0)
