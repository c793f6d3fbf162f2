"""Validation scores after an epoch, under the run's own corruption."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Part
from ae_run.images import DeviceImages, pairs
from ae_run.meter import Meter
from ae_run.models import Autoencoder
from ae_run.randomness import derive_seed


class Validator:
    """Scores a model on the validation images; every epoch sees the same corrupted images."""

    def __init__(
        self, config: Config, part: Part, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._images = DeviceImages(part.images, device, dtype)
        self._keys = self._images.keys()
        self._corrupt = corruptions.of_split(config.corruption, self._images, self._keys)
        self._batch_size = config.evaluate.batch_size
        self._seed = config.seed

    @torch.no_grad()
    def scores(self, model: Autoencoder) -> dict[str, float]:
        """Mean scores; empty without validation images."""
        model.eval()
        torch.manual_seed(derive_seed(self._seed, "validation"))
        meter = Meter()
        for x_in, target in self.pairs():
            meter.add(model.scores(x_in, target))
        return meter.means()

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of (corrupted input, clean target), each (B, C, H, W)."""
        return pairs(self._images, self._corrupt, self._keys, self._batch_size)
