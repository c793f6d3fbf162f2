"""Random codes, decoded."""

from matplotlib.figure import Figure

from ae_run.figures._images import COLUMNS, Block, grid_figure, wrap
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "Random codes, decoded"
CAPTION = (
    "Codes drawn from the prior of a VAE, or, for a plain autoencoder, from a Gaussian fitted to "
    "the codes of the training images."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `random_samples_images` (k, C, H, W)."""
    images = run.array("random_samples_images")
    if images is None:
        return None
    grid, count = wrap(images, COLUMNS if len(images) <= 150 else 20)
    return grid_figure(style, TITLE, run.label, [Block(grid, count=count)])
