"""Ridge regression from sums gathered in one pass over the data.

Legend: N images, m features, n targets.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sums:
    """Sufficient sums of a least-squares fit of targets y (N, n) to features h (N, m), float64."""

    hh: Tensor
    """hᵀh (m, m)."""
    hy: Tensor
    """hᵀy (m, n)."""

    def error(self, weights: Tensor) -> float:
        """‖y − h·weights‖² minus the constant ‖y‖², for weights (m, n)."""
        return float(((self.hh @ weights - 2 * self.hy) * weights).sum())


def gather(batches: Iterable[tuple[Tensor, Tensor]]) -> Sums | None:
    """The sums over batches of (features, targets); None without batches."""
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

    λ is a share of the mean diagonal entry of hᵀh, so that it does not depend on the scale of the
    features or the number of images. The share with the smallest validation error is used;
    without validation images, the median one.
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
    # The floor gives zero weights to features that are all zero.
    ridge = max(share * float(sums.hh.diagonal().mean()), 1e-300)
    lower = torch.linalg.cholesky(sums.hh + ridge * torch.eye(len(sums.hh)).to(sums.hh))
    return torch.cholesky_solve(sums.hy, lower)


def _float64(x: Tensor) -> Tensor:
    """`x` in float64; on the CPU if it was on Apple's MPS, which lacks float64."""
    return (x.cpu() if x.device.type == "mps" else x).double()
