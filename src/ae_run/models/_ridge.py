"""Ridge regression from sums over the data, gathered in one pass.

Legend: N images, m features, n targets.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sums:
    """What a least-squares fit of targets y (N, n) to features h (N, m) needs, in float64."""

    hh: Tensor
    """hᵀh (m, m)."""
    hy: Tensor
    """hᵀy (m, n)."""

    def error(self, weights: Tensor) -> float:
        """‖y − h·weights‖² less the constant ‖y‖²: weights (m, n)."""
        return float(((self.hh @ weights - 2 * self.hy) * weights).sum())


def gather(batches: Iterable[tuple[Tensor, Tensor]]) -> Sums | None:
    """The sums over batches of (features, targets); None where there are none."""
    sums: Sums | None = None
    for h, y in batches:
        h, y = _float64(h), _float64(y)
        if sums is None:
            sums = Sums(h.T @ h, h.T @ y)
        else:
            sums.hh.addmm_(h.T, h)
            sums.hy.addmm_(h.T, y)
    return sums


def fit(train: Sums, validation: Sums | None, shares: Sequence[float]) -> tuple[Tensor, float]:
    """Weights (m, n) that minimise ‖y − h·weights‖² + λ‖weights‖², and the share behind λ.

    λ is a share of the mean of hᵀh's diagonal, so that it does not depend on the scale of the
    features or the number of images. Of `shares` the one with the least validation error is
    taken; without validation images their median.
    """
    shares = sorted(shares)
    if validation is None:
        shares = [shares[(len(shares) - 1) // 2]]
    fits = [(solve(train, share), share) for share in shares]
    if validation is None:
        return fits[0]
    return min(fits, key=lambda found: validation.error(found[0]))


def solve(sums: Sums, share: float) -> Tensor:
    """The weights (m, n) for one share: (hᵀh + λI)·weights = hᵀy."""
    # Features that are all zero get weights of zero.
    ridge = max(share * float(sums.hh.diagonal().mean()), 1e-300)
    lower = torch.linalg.cholesky(sums.hh + ridge * torch.eye(len(sums.hh)).to(sums.hh))
    return torch.cholesky_solve(sums.hy, lower)


def _float64(x: Tensor) -> Tensor:
    """In float64, which Apple's MPS lacks."""
    return (x.cpu() if x.device.type == "mps" else x).double()
