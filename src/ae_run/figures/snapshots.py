"""The same images, reconstructed while the model trains."""

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._images import Block, grid_figure, pick
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "Reconstructions during training"
CAPTION = (
    "The same images, of validation or, where there is none, of training, reconstructed after so "
    "many epochs."
)
_IMAGES, _EPOCHS = 10, 10


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `snapshots_images` (E, m, C, H, W), `_epochs` (E,) and `_target` (m, C, H, W)."""
    images, epochs, target = (run.array(f"snapshots_{key}")
                              for key in ("images", "epochs", "target"))  # fmt: skip
    if images is None or epochs is None:
        return None
    shown = pick(len(images), _EPOCHS)
    blocks = [
        Block(
            images[shown, :_IMAGES],
            row_labels=[f"epoch {int(epoch)}" for epoch in epochs[shown]],
        )
    ]
    if target is not None:
        blocks.insert(0, Block(np.stack([target[:_IMAGES]]), row_labels=["original"]))
    return grid_figure(style, TITLE, run.label, blocks)
