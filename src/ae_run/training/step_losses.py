"""The losses of an epoch, step by step, kept on the device and read once."""

import math

import torch
from torch import Tensor

from ae_run.errors import RunFailed
from ae_run.models import LossTerms


class StepLosses:
    """Sums over the images of each step: one row per step, one column per loss term."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._names: list[str] = []
        self._rows: Tensor | None = None

    def add(self, step: int, losses: LossTerms) -> None:
        """Record a step's losses, without waiting for the device."""
        columns = [*losses.terms.values(), losses.total]
        if self._rows is None:
            self._names = [*losses.terms, "total"]
            self._rows = torch.zeros(
                self._steps, len(columns), device=losses.total.device, dtype=losses.total.dtype
            )
        self._rows[step] = torch.stack([values.detach().sum() for values in columns])

    def means(self, images: int, epoch: int) -> dict[str, float]:
        """Each term's mean over the epoch's images.

        Raises:
            RunFailed: a loss was not finite; the message names the term, epoch and step.
        """
        assert self._rows is not None
        rows = self._rows.cpu().double()
        bad = ~rows.isfinite()
        if bad.any():
            step = int(bad.any(1).nonzero()[0])
            column = int(bad[step].nonzero()[0])
            raise not_finite(f"loss term '{self._names[column]}'", epoch, step + 1)
        sums = rows.sum(0).tolist()
        return {name: value / images for name, value in zip(self._names, sums, strict=True)}


def check_finite(scores: dict[str, float], epoch: int) -> None:
    """Refuse validation scores that are not finite.

    Raises:
        RunFailed: one is not.
    """
    for name, value in scores.items():
        if not math.isfinite(value):
            raise not_finite(f"validation score '{name}'", epoch)


def not_finite(what: str, epoch: int, step: int | None = None) -> RunFailed:
    """The error for a loss or score that is NaN or infinite."""
    where = f"epoch {epoch}" + (f", step {step}" if step else "")
    return RunFailed(
        f"{what} is not finite in {where}; the last finished epoch's and the best weights are "
        "kept. Try a smaller train.lr, or train.clip_norm=1"
    )
