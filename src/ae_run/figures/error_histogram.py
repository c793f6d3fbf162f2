"""How the error spreads over the test images."""

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "Errors"
CAPTION = (
    "Mean squared error of every test image, with the mean over all of them beside that of PCA "
    "with as many components as the code has dimensions."
)


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `test_mse` (N,) per pixel."""
    errors = run.array("test_mse")
    if errors is None:
        return None
    errors = errors[np.isfinite(errors)]
    if not len(errors):
        return None
    figure = style.figure(6, 2.9, TITLE, run.label)
    axes = figure.subplots()
    # The few worst images would squeeze all others into a corner.
    right = float(np.quantile(errors, 0.995)) * 1.1 or 1.0
    bins = int(np.clip(np.sqrt(len(errors)) * 1.5, 10, 80))
    axes.hist(np.minimum(errors, right), bins=bins, range=(0, right), color=style.color(0),
              alpha=0.8)  # fmt: skip
    axes.axvline(errors.mean(), color=style.ink, label=f"mean {errors.mean():.4f}")
    pca = run.score("baseline", "pca", "mse")
    if pca is not None:
        axes.axvline(pca, color=style.color(4), ls="--", label=f"PCA {pca:.4f} (mean)")
    hidden = int((errors > right).sum())
    note = f"; the last bin holds {hidden} beyond the axis" if hidden else ""
    axes.set(xlabel=f"mean squared error of an image (per pixel{note})", ylabel="test images")
    axes.legend(loc="upper right")
    return figure
