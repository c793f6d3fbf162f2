"""The losses of an epoch: collected on the device, read once at its end."""

import math
from collections.abc import Sequence

from torch import Tensor

from ae_run.errors import RunFailed


class StepLosses:
    """Loss sums over each step's images: one row per step, one column per loss term."""

    def __init__(self, steps: int) -> None:
        self.names: list[str] = []
        """The loss terms, one per column; set before the means are read."""
        self._steps = steps
        self._rows: Tensor | None = None

    def add(self, step: int, row: Tensor) -> None:
        """Record a step's sums, `(terms,)` or `(R, terms)`, without waiting for the device."""
        if self._rows is None:
            self._rows = row.new_zeros(self._steps, *row.shape)
        self._rows[step] = row

    def means(self, images: int, epoch: int) -> dict[str, float]:
        """Each term's mean over the epoch's images.

        Raises:
            RunFailed: a loss was not finite; the message names the term, epoch and step.
        """
        assert self._rows is not None
        return _means(self._rows.cpu().double(), self.names, images, epoch)

    def means_of_each(self, images: int, epoch: int) -> list[dict[str, float]]:
        """The means of each of R replicas; see `means`."""
        assert self._rows is not None
        rows = self._rows.cpu().double()
        return [_means(rows[:, i], self.names, images, epoch) for i in range(rows.shape[1])]


def _means(rows: Tensor, names: Sequence[str], images: int, epoch: int) -> dict[str, float]:
    bad = ~rows.isfinite()
    if bad.any():
        step = int(bad.any(1).nonzero()[0])
        column = int(bad[step].nonzero()[0])
        raise not_finite(f"loss term '{names[column]}'", epoch, step + 1)
    return {name: value / images for name, value in zip(names, rows.sum(0).tolist(), strict=True)}


def check_finite(scores: dict[str, float], epoch: int) -> None:
    """Refuse validation scores that are not finite.

    Raises:
        RunFailed: a score is not finite.
    """
    for name, value in scores.items():
        if not math.isfinite(value):
            raise not_finite(f"validation score '{name}'", epoch)


def not_finite(what: str, epoch: int, step: int | None = None) -> RunFailed:
    """The error for a loss or score that is NaN or infinite.

    A resumed run would come to the same step with the same settings, so it is no way out.
    """
    where = f"epoch {epoch}" + (f", step {step}" if step else "")
    kept = (
        "no epoch was finished"
        if epoch == 1
        else f"the weights of epoch {epoch - 1} and the best ones are kept"
    )
    return RunFailed(
        f"{what} is not finite in {where}; {kept}. "
        "Start a new run with a smaller train.lr, or with train.clip_norm=1"
    )
