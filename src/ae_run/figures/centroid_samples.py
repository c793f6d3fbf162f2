"""Codes drawn around the class centroids, decoded."""

from matplotlib.figure import Figure

from ae_run.figures._images import Block, grid_figure
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "Samples around the centroids"
CAPTION = (
    "Class centroids plus Gaussian noise of growing variance in the code, decoded: one row per "
    "variance, one column per class."
)
_COLUMNS = 12


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `centroid_samples_images` (V, K, C, H, W) and `centroid_samples_variances` (V,)."""
    images, variances = (run.array(f"centroid_samples_{key}") for key in ("images", "variances"))
    if images is None:
        return None
    names = run.names()
    labels = [] if variances is None else [f"variance {value:g}" for value in variances]
    blocks = [
        Block(
            images[:, start : start + _COLUMNS],
            row_labels=labels,
            column_labels=names[start : start + _COLUMNS],
        )
        for start in range(0, images.shape[1], _COLUMNS)
    ]
    return grid_figure(style, TITLE, run.label, blocks)
