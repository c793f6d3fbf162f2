"""Test images above what the model makes of them."""

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._images import COLUMNS, Block, grid_figure
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "Reconstructions"
CAPTION = (
    "Test images and their reconstructions from the code; where the run corrupts its input, the "
    "corrupted image that the model was given stands between them."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `reconstruction_target` and `_output` (k, C, H, W); `_input` where it differs."""
    target, output = run.array("reconstruction_target"), run.array("reconstruction_output")
    if target is None or output is None:
        return None
    rows = {"original": target, "reconstruction": output}
    given = run.array("reconstruction_input")
    if given is not None and not np.array_equal(given, target):
        rows = {"original": target, "input": given, "reconstruction": output}
    names = run.names_of("reconstruction_labels")
    blocks = [
        Block(
            np.stack([images[start : start + COLUMNS] for images in rows.values()]),
            row_labels=list(rows),
            column_labels=names[start : start + COLUMNS],
        )
        for start in range(0, len(target), COLUMNS)
    ]
    return grid_figure(style, TITLE, run.label, blocks)
