"""Scores of the output and of the corrupted input, over the level of the corruption."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._run_data import RunData, floats
from ae_run.figures._style import Style, plain

TITLE = "Denoising, by level"
CAPTION = (
    "Scores of the output (solid) and of the corrupted input itself (dashed) against the clean "
    "image; the dotted line is the level that the model was trained with. Higher is better."
)
_SCORES = {"snr_db": "SNR (dB)", "psnr_db": "PSNR (dB)", "ssim": "SSIM"}


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `denoising`, and the curve that it names in `robustness`, in the metrics."""
    trained: dict[str, Any] = run.metrics.get("denoising") or {}
    curve = (run.metrics.get("robustness") or {}).get(trained.get("curve"))
    shown = [key for key in _SCORES if curve and key in curve and f"input_{key}" in curve]
    if not curve or not shown:
        return None
    figure = style.figure(3.0 * len(shown) + 0.3, 3.3, TITLE, run.label)
    panels = list(figure.subplots(1, len(shown), squeeze=False)[0])
    for axes, key in zip(panels, shown, strict=True):
        levels, before = floats(curve["levels"]), floats(curve[f"input_{key}"])
        if key.endswith("_db"):
            before[levels == 0] = np.nan  # no noise: infinitely many decibels
        axes.plot(levels, floats(curve[key]), "o-", ms=3.5, color=style.color(0), label="output")
        axes.plot(levels, before, "--", color=style.muted, label="corrupted input")
        axes.axvline(trained["level"], color=style.ink, ls=":", lw=1, label="trained at")
        level_name = curve.get("level_name", "level")
        axes.set(ylabel=_SCORES[key], xlabel=plain(f"{trained['corruption']}, {level_name}", 30))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
