"""Snapshots: reconstructions of the same images over the course of training.

The images are from the validation split, or from training if there is none: only evaluation opens
the test split. They are kept in the run folder's `snapshots.npz`, which is replaced atomically.
"""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.images import DeviceImages, first_pair, to_uint8
from ae_run.models import Autoencoder
from ae_run.run_folder import SNAPSHOTS, RunFolder


class Snapshots:
    """Takes the snapshots of a run and saves them."""

    def __init__(
        self,
        config: Config,
        dataset: Dataset,
        folder: RunFolder,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._config, self._folder, self._every = config, folder, config.train.snapshot_every
        self._images = (
            dataset.validation.images if len(dataset.validation) else dataset.train.images
        )
        self._device, self._dtype = device, dtype

    @cached_property
    def _pair(self) -> tuple[Tensor, Tensor]:
        """Corrupted and clean images (m, C, H, W), the same in all epochs."""
        images = DeviceImages(self._images, self._device, self._dtype)
        keys = images.keys()
        corrupt = corruptions.of_split(self._config.corruption, images, keys)
        return first_pair(images, corrupt, keys, self._config.evaluate.grid)

    def due(self, epoch: int) -> bool:
        """Whether the config asks for a snapshot after this epoch."""
        return self._every is not None and epoch % self._every == 0

    @torch.no_grad()
    def take(self, model: Autoencoder, epoch: int) -> None:
        """Add the reconstructions (m, C, H, W) after an epoch to the file.

        Call it before the epoch counts as finished: an epoch repeated after a crash replaces its
        own snapshot and all later ones.
        """
        model.eval()
        x_in, target = self._pair
        output = to_uint8(model.reconstruct(x_in))
        images, epochs = output[None], np.array([epoch])
        if old := read(self._folder):
            earlier = old["epochs"] < epoch
            images = np.concatenate([old["images"][earlier], images])
            epochs = np.concatenate([old["epochs"][earlier], epochs])
        inputs = {"target": to_uint8(target), "input": to_uint8(x_in)}
        self._folder.write_arrays(SNAPSHOTS, {"images": images, "epochs": epochs, **inputs})


def read(folder: RunFolder) -> dict[str, np.ndarray]:
    """The snapshots of a run; empty if it has none.

    The outputs `images` (E, m, C, H, W) after the `epochs` (E,), and the clean `target` and the
    corrupted `input` (m, C, H, W); all images are uint8.
    """
    return folder.read_arrays(SNAPSHOTS) if folder.has(SNAPSHOTS) else {}
