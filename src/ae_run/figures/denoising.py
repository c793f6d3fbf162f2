"""Corrupted input, output and clean image, with the signal-to-noise ratio."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._images import COLUMNS, Block, grid_figure
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style, plain

TITLE = "Denoising"
CAPTION = (
    "What the model was given, what it made of it, and the clean image that it never saw. Below "
    "each image its signal-to-noise ratio against the clean one; in the heading the mean over "
    "the test set, before and after."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `denoising` in the metrics and `reconstruction_{target,input,output}`."""
    scores = run.metrics.get("denoising")
    arrays = [run.array(f"reconstruction_{key}") for key in ("input", "output", "target")]
    given, output, target = (None if a is None else a[:COLUMNS] for a in arrays)
    if not scores or given is None or output is None or target is None:
        return None
    ratios = [*_snr(given, target), *_snr(output, target), *[""] * len(target)]
    block = Block(
        np.stack([given, output, target]),
        row_labels=["corrupted", "output", "clean"],
        cell_labels=ratios,
        title=_summary(scores),
    )
    return grid_figure(style, TITLE, run.label, [block])


def _snr(images: np.ndarray, clean: np.ndarray) -> list[str]:
    """Signal-to-noise ratio in dB of (k, C, H, W) images against clean ones."""
    signal = (clean / 255.0) ** 2
    noise = (images / 255.0 - clean / 255.0) ** 2
    pixels = (1, 2, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(signal.sum(axis=pixels) / noise.sum(axis=pixels))
    return [f"{value:.1f} dB".replace("-", "−") if np.isfinite(value) else "" for value in ratio]


def _summary(scores: dict[str, Any]) -> str:
    parts = []
    for key, name, unit in (("snr_db", "SNR", " dB"), ("psnr_db", "PSNR", " dB"),
                            ("ssim", "SSIM", "")):  # fmt: skip
        before, after = (scores.get(side, {}).get(key) for side in ("input", "output"))
        if before is not None and after is not None:
            digits = 1 if unit else 3
            parts.append(f"{name} {before:.{digits}f} → {after:.{digits}f}{unit}")
    level = f"{scores.get('level_name', 'level')} {scores['level']:g}"
    return plain(f"{scores.get('corruption', '')}, {level}: {', '.join(parts)}", 120)
