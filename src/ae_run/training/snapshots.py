"""What the model makes of the same images while it trains.

The images are of the validation split (of training where there is none): only evaluation opens
the test split. They are kept in the run folder's `snapshots.npz`, which is replaced in one step.
"""

import numpy as np
import torch

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.images import DeviceImages, pairs, to_uint8
from ae_run.models import Autoencoder
from ae_run.randomness import image_keys
from ae_run.run_folder import SNAPSHOTS, RunFolder


class Snapshots:
    """Takes and keeps snapshots of a run."""

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        folder: RunFolder,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        part = dataset.validation if len(dataset.validation) else dataset.train
        chosen = part.images[: config.evaluate.grid]
        images = DeviceImages(chosen, device, dtype)
        corrupt = corruptions.build(config.corruption)
        # The run's own corruption, drawn once: snapshots differ by the model alone.
        keys = image_keys(chosen).to(device)
        self._x_in, self._target = next(pairs(images, corrupt, keys, len(chosen)))
        self._folder, self._every = folder, config.train.snapshot_every

    def due(self, epoch: int) -> bool:
        """Whether the config asks for one after this epoch."""
        return self._every is not None and epoch % self._every == 0

    @torch.no_grad()
    def take(self, model: Autoencoder, epoch: int) -> None:
        """Add the reconstructions (m, C, H, W) after an epoch to the file.

        To be called before the epoch counts as finished: an epoch that is repeated after a
        crash replaces its own snapshot, and whatever came after it.
        """
        model.eval()
        output = to_uint8(model.reconstruct(self._x_in))
        images, epochs = output[None], np.array([epoch])
        if old := read(self._folder):
            earlier = old["epochs"] < epoch
            images = np.concatenate([old["images"][earlier], images])
            epochs = np.concatenate([old["epochs"][earlier], epochs])
        inputs = {"target": to_uint8(self._target), "input": to_uint8(self._x_in)}
        self._folder.write_arrays(SNAPSHOTS, {"images": images, "epochs": epochs, **inputs})


def read(folder: RunFolder) -> dict[str, np.ndarray]:
    """The snapshots of a run; empty where it has none.

    `images` (E, m, C, H, W) after the `epochs` (E,), and what went in, `target` and `input`
    (m, C, H, W); all images uint8.
    """
    return folder.read_arrays(SNAPSHOTS) if folder.has(SNAPSHOTS) else {}
