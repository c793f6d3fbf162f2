"""Means of per-image scores, from sums and counts that are divided once."""

from collections.abc import Mapping

from torch import Tensor


class Meter:
    """Accumulates per-image scores on the device and reads them once.

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
