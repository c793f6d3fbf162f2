"""The test images with the largest error."""

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._images import COLUMNS, Block, grid_figure
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "Worst reconstructions"
CAPTION = (
    "The test images with the largest mean squared error, worst first, each with its error per "
    "pixel: odd images, wrong labels and what the code has no room for show up here."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `worst_target`, `worst_output` (k, C, H, W); `worst_mse` (k,) per pixel."""
    target, output, mse = (run.array(f"worst_{key}") for key in ("target", "output", "mse"))
    if target is None or output is None:
        return None
    errors = [] if mse is None else [f"{value:.4f}" for value in mse]
    blocks = [
        Block(
            np.stack([target[start : start + COLUMNS], output[start : start + COLUMNS]]),
            row_labels=["original", "reconstruction"],
            column_labels=errors[start : start + COLUMNS],
            title="mean squared error (per pixel):" if errors and start == 0 else "",
        )
        for start in range(0, len(target), COLUMNS)
    ]
    return grid_figure(style, TITLE, run.label, blocks)
