"""uint8 images on a device: a batch is an index, and evaluation noise is tied to the image."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ae_run.corruptions import Corrupt
from ae_run.randomness import KeyedNoise, image_keys


class DeviceImages:
    """uint8 images (N, C, H, W) on a device, returned as floats in [0, 1]."""

    def __init__(
        self, images: np.ndarray, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self._images = torch.from_numpy(np.ascontiguousarray(images)).to(device)
        self._dtype = dtype

    def __len__(self) -> int:
        return len(self._images)

    def take(self, index: Tensor) -> Tensor:
        """The images at these positions, int64 (B,): float (B, C, H, W)."""
        return self._to_float(self._images.index_select(0, index))

    def slice(self, start: int, stop: int) -> Tensor:
        """The images from `start` up to `stop`: float (B, C, H, W)."""
        return self._to_float(self._images[start:stop])

    def batches(self, size: int) -> Iterator[Tensor]:
        """All images in order: float (B, C, H, W), B ≤ size."""
        for start in range(0, len(self), size):
            yield self.slice(start, start + size)

    def keys(self) -> Tensor:
        """A 63-bit key per image, from its bytes: int64 (N,) on the images' device."""
        return image_keys(self._images.cpu().numpy()).to(self.device)

    @property
    def device(self) -> torch.device:
        """The device of the images."""
        return self._images.device

    def _to_float(self, images: Tensor) -> Tensor:
        return images.to(self._dtype).div_(255)


def pairs(
    images: DeviceImages, corrupt: Corrupt, keys: Tensor, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of (corrupted input, clean target), each (B, C, H, W), in order.

    An image's noise depends only on its key (`randomness.image_keys`): it is the same for every
    model, batch size and device.
    """
    for start in range(0, len(images), batch_size):
        target = images.slice(start, start + batch_size)
        noise = KeyedNoise(keys[start : start + batch_size])
        yield corrupt(target, noise), target


def to_uint8(images: Tensor) -> np.ndarray:
    """Float images in [0, 1] as uint8 of the same shape."""
    array: np.ndarray = images.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
    return array
