"""Images of the data set, in the order of their classes."""

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._images import COLUMNS, Block, grid_figure, wrap
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "Samples"
CAPTION = "Images of the data set with their classes, as the model gets them."


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `samples_images` (k, C, H, W) and `samples_labels` (k,)."""
    images, labels = run.array("samples_images"), run.array("samples_labels")
    if images is None:
        return None
    order = np.arange(len(images)) if labels is None else np.argsort(labels, kind="stable")
    names = run.names_of("samples_labels")
    grid, count = wrap(images[order], COLUMNS if len(images) <= 150 else 20)
    block = Block(
        grid,
        count=count,
        cell_labels=[names[i] for i in order] if names else (),
        cell_colors=[] if labels is None else [style.text_color(int(labels[i])) for i in order],
    )
    return grid_figure(style, TITLE, run.label, [block])
