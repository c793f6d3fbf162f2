"""Scores of images that come in batches: their means, and each image's own."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor


class Meter:
    """The means of scores, from sums and counts on the device that are divided once.

    NaN marks a score that is undefined for an image, such as the SNR of a blank one: it is left
    out of that score's mean and count.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}

    def add(self, scores: Mapping[str, Tensor]) -> None:
        """Add scores, each (B,)."""
        for name, values in scores.items():
            # Sums are in float64, which Apple's MPS lacks.
            values = (values.cpu() if values.device.type == "mps" else values).double()
            total, count = values.nansum(), (~values.isnan()).sum()
            self._sums[name] = self._sums[name] + total if name in self._sums else total
            self._counts[name] = self._counts[name] + count if name in self._counts else count

    def means(self) -> dict[str, float]:
        """Each score's mean over the images that have it; NaN if none has."""
        return {
            name: total.item() / count if (count := int(self._counts[name])) else float("nan")
            for name, total in self._sums.items()
        }


class PerImage:
    """Each image's values, in tensors on the device that are made once.

    Small tensors that are kept from every batch, between the large ones that are freed, would keep
    glibc from reusing that memory: the heap grew by 15 MB a second while log p(x) was estimated.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._values: dict[str, Tensor] = {}
        self._filled: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Add the next images' values, each (B, …)."""
        for name, batch in values.items():
            if name not in self._values:
                self._values[name] = batch.new_empty((self._count, *batch.shape[1:]))
            start = self._filled.get(name, 0)
            self._filled[name] = start + len(batch)
            self._values[name][start : start + len(batch)] = batch.detach()

    def arrays(self) -> dict[str, np.ndarray]:
        """Those of all images, each float32 (N, …)."""
        return {name: values.float().cpu().numpy() for name, values in self._values.items()}
