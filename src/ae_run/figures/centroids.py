"""The mean code of every class, decoded."""

from matplotlib.figure import Figure

from ae_run.figures._images import Block, grid_figure, wrap
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "Class centroids"
CAPTION = "What the decoder makes of the mean code of each class's training images."


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `centroids_images` (K, C, H, W), one per class."""
    images = run.array("centroids_images")
    if images is None:
        return None
    names = (run.names() + [str(k) for k in range(len(images))][len(run.names()) :])[: len(images)]
    grid, count = wrap(images)
    colors = [style.text_color(k) for k in range(len(names))]
    block = Block(grid, count=count, cell_labels=names, cell_colors=colors)
    return grid_figure(style, TITLE, run.label, [block])
