"""TensorBoard: `tensorboard --logdir outputs` shows all runs below outputs/.

Event files in the run folder's `tensorboard/`: every number of the history as a scalar by epoch;
in the end the scores on test, reconstructions, and the codes for the projector.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from torch.utils.tensorboard import SummaryWriter

from ae_run.drawing.image_grid import image_grid
from ae_run.drawing.run_data import RunData
from ae_run.run_folder import RunFolder

FOLDER = "tensorboard"
_IMAGES = 10
_SPRITE = 8192
"""The largest side of the projector's picture of all images, in pixels."""
_EPOCH = "train/epoch_seconds"


class Logger:
    """Writes event files; a resumed run adds a further one, from the next epoch on."""

    def __init__(self, folder: RunFolder) -> None:
        self._path = folder.file(FOLDER)
        self.last = _last_epoch(self._path)
        self._writer = SummaryWriter(str(self._path))

    def epoch(self, row: Mapping[str, Any]) -> None:
        """`train_mse` of the history is `train/mse` here; what is no number is left out."""
        for key, value in row.items():
            if isinstance(value, int | float) and key not in ("epoch", "train_seconds"):
                self._writer.add_scalar(key.replace("_", "/", 1), value, row["epoch"])
        self._writer.add_scalar(_EPOCH, row["train_seconds"], row["epoch"])
        self._writer.flush()

    def end(self, run: RunData) -> None:
        """Scores on test, original, input and output of the first images, and the codes."""
        for key, value in run.metrics.items():
            if isinstance(value, int | float) and key not in ("n", "latent_dim"):
                self._writer.add_scalar(f"test/{key}", value, self.last)
        rows = [run.array(f"reconstruction_{name}") for name in ("target", "input", "output")]
        shown = [images[:_IMAGES] for images in rows if images is not None]
        if shown:
            grid = image_grid(np.stack(shown), 0, 0)
            self._writer.add_image("reconstructions", grid, self.last, dataformats="HWC")
        self._add_codes(run)
        self._writer.flush()

    def _add_codes(self, run: RunData) -> None:
        codes, images = run.array("codes"), run.array("codes_thumbnails")
        if codes is None or images is None or (self._path / f"{self.last:05}").exists():
            return
        per_side = _SPRITE // max(images.shape[-2:])
        count = min(len(codes), len(images), per_side**2)
        self._writer.add_embedding(
            codes[:count],
            metadata=run.names_of("codes_labels")[:count] or None,
            label_img=_tensor(images[:count]),
            global_step=self.last,
            tag="codes",
        )

    def close(self) -> None:
        """Write what is buffered."""
        self._writer.close()


def _tensor(images: np.ndarray) -> Any:
    """uint8 images as the projector takes them: floats in [0, 1] with one or three channels."""
    import torch

    return torch.from_numpy(images[:, :3] if images.shape[1] >= 3 else images[:, :1]) / 255


def _last_epoch(path: Path) -> int:
    """The last epoch in a folder's event files; one that a crash cut short ends where it does."""
    events = (
        event
        for file in path.glob("events.out.tfevents.*")
        for event in EventFileLoader(str(file)).Load()
    )
    done = (event.step for event in events if any(v.tag == _EPOCH for v in event.summary.value))
    return max(done, default=0)
