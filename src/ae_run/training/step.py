"""One training step: its data is already on the device, and it never waits for the device."""

import torch
from torch import Tensor, nn

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.images import DeviceImages
from ae_run.models import LossTerms, Stage
from ae_run.randomness import GeneratorNoise, KeyedNoise, derive_seed, generator
from ae_run.schema import CorruptionConfig


class TrainingImages(DeviceImages):
    """The training images of a data set; grey ones where training draws binary images anew."""

    def __init__(
        self, dataset: Dataset, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.are_drawn = dataset.grey is not None
        """Whether `Binarizer` turns each batch into a new draw."""
        kept = dataset.train.images if dataset.grey is None else dataset.grey
        super().__init__(kept, device, dtype)


class Corruptor:
    """Corrupts training images with fresh noise, or with each image's own noise (`fixed`)."""

    def __init__(self, config: CorruptionConfig, images: DeviceImages) -> None:
        self.generator = torch.Generator(images.device)
        """The source of fresh noise; the caller seeds it."""
        self._keys = images.keys() if corruptions.is_fixed(config) else None
        self._corrupt = (
            corruptions.build(config)
            if self._keys is None
            else corruptions.of_split(config, images, self._keys)
        )

    def __call__(self, target: Tensor, index: Tensor) -> Tensor:
        """Corrupt images (B, C, H, W), whose positions are `index`, int64 (B,)."""
        if self._keys is None:
            return self._corrupt(target, GeneratorNoise(self.generator))
        return self._corrupt(target, KeyedNoise(self._keys.index_select(0, index)))


class Binarizer:
    """Draws binary training images from grey ones (`data.binarize=sample`), else keeps them."""

    def __init__(self, images: TrainingImages) -> None:
        self.generator = torch.Generator(images.device)
        """The source of the draws."""
        self._are_drawn = images.are_drawn

    def start_epoch(self, seed: int, epoch: int) -> None:
        """Seed the draws of an epoch."""
        self.generator.manual_seed(derive_seed(seed, "binarize", epoch))

    def __call__(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W): each pixel 1 with its grey value in [0, 1] as probability."""
        if not self._are_drawn:
            return images
        numbers = GeneratorNoise(self.generator).uniform(images, *images.shape[1:])
        return (numbers < images).to(images.dtype)


class Step:
    """Takes a training step on the images at given positions."""

    def __init__(
        self,
        config: Config,
        precision: str,
        stage: Stage,
        optimizer: torch.optim.Optimizer,
        images: TrainingImages,
    ) -> None:
        self.names: list[str] = []
        """The names of the loss terms, and `total`; known after the first step."""
        self.optimizer = optimizer
        self._seed, self._settings = config.seed, config.train
        self._bfloat16 = precision == "bfloat16"
        self._stage, self._images = stage, images
        self._corrupt = Corruptor(config.corruption, images)
        self._binarize = Binarizer(images)

    @property
    def generators(self) -> list[torch.Generator]:
        """The generators that a step draws from, except the default one."""
        return [self._corrupt.generator, self._binarize.generator]

    def start_epoch(self, epoch: int) -> list[Tensor]:
        """Seed the generators for an epoch, counted from 1.

        Returns:
            Its batches, as positions of images; the last one may be shorter.
        """
        self._corrupt.generator.manual_seed(derive_seed(self._seed, "noise", epoch))
        self._binarize.start_epoch(self._seed, epoch)
        torch.manual_seed(derive_seed(self._seed, "step", epoch))  # dropout and latent samples
        order = batches(self._seed, epoch, self._images, self._settings.batch_size)
        self._images.announce(order)
        return order

    def __call__(self, index: Tensor) -> Tensor:
        """Learn from the images at these positions, int64 (B,).

        Returns:
            Each loss term and their weighted total, summed over the images: (terms + 1,).
        """
        target = self._binarize(self._images.take(index))  # (B, C, H, W) in [0, 1]
        with torch.autocast(target.device.type, torch.bfloat16, enabled=self._bfloat16):
            losses = self._stage.loss(self._corrupt(target, index), target)  # each (B,)
        losses.total.mean().backward()  # type: ignore[no-untyped-call]
        if self._settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(self._stage.parameters, self._settings.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.names = names(losses)
        return summed(losses)


def batches(seed: int, epoch: int, images: DeviceImages, size: int) -> list[Tensor]:
    """The positions of all images in the epoch's random order, in batches, on their device."""
    order = torch.randperm(len(images), generator=generator(seed, "order", epoch))
    parts = list(torch.split(order.to(images.device), size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        # Batch normalisation needs a variance, which one image does not have.
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def names(losses: LossTerms) -> list[str]:
    """The names of the loss terms, and `total`."""
    return [*losses.terms, "total"]


def summed(losses: LossTerms) -> Tensor:
    """The sums over the images of each term and of the total: (terms + 1,)."""
    columns = [*losses.terms.values(), losses.total]
    return torch.stack([values.detach().sum() for values in columns])
