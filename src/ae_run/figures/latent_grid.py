"""Two dimensions of the code on a grid, decoded."""

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._images import Block, grid_figure
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "A plane of the latent space"
CAPTION = (
    "Decoded codes in which two dimensions go through the values beside the grid, in standard "
    "deviations, while all others stay at the mean."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `latent_grid_images` (R, R, C, H, W), `_dims` (2,) and `_values` (R,).

    In image [r, c] dimension `dims[0]` is `values[c]` and `dims[1]` is `values[r]`; row 0 is
    drawn at the bottom, as on a y axis.
    """
    images, dims, values = (run.array(f"latent_grid_{key}") for key in ("images", "dims", "values"))
    if images is None or dims is None or values is None:
        return None
    labels = [f"{value:.2g}".replace("-", "−") for value in values]
    block = Block(
        np.ascontiguousarray(images[::-1]),
        row_labels=labels[::-1],
        column_labels=labels,
        title=f"across: dimension {int(dims[0]) + 1}, upwards: dimension {int(dims[1]) + 1}",
    )
    return grid_figure(style, TITLE, run.label, [block])
