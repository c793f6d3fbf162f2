"""Images that live on a device as uint8; a batch is an index."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor


class DeviceImages:
    """uint8 images (N, C, H, W) on a device, handed out as floats in [0, 1]."""

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
        """The images from start up to stop: float (B, C, H, W)."""
        return self._to_float(self._images[start:stop])

    def batches(self, size: int) -> Iterator[Tensor]:
        """All images in order: float (B, C, H, W), B ≤ size."""
        for start in range(0, len(self), size):
            yield self.slice(start, start + size)

    @property
    def device(self) -> torch.device:
        """Where they live."""
        return self._images.device

    def _to_float(self, images: Tensor) -> Tensor:
        return images.to(self._dtype).div_(255)
