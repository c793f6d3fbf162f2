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
        new = Sums(h.T @ h, h.T @ y)
        sums = new if sums is None else Sums(sums.hh + new.hh, sums.hy + new.hy)
    return sums


def fit(train: Sums, validation: Sums | None, shares: Sequence[float]) -> tuple[Tensor, float]:
    """Weights (m, n) that minimise ‖y − h·weights‖² + λ‖weights‖², and the share behind λ.

    λ is a share of the mean of hᵀh's diagonal, so that it does not depend on the scale of the
    features or the number of images. Of `shares` the one with the least validation error is
    taken; without validation images their median.
    """
    values, vectors = torch.linalg.eigh(train.hh)
    scale = float(values.mean())  # of eigenvalues as of the diagonal
    rotated = vectors.T @ train.hy
    shares = sorted(shares)
    if validation is None:
        shares = [shares[(len(shares) - 1) // 2]]
    best: tuple[float, Tensor, float] | None = None
    for share in shares:
        # A feature that is always zero gets weights of zero, at any scale.
        damped = (values + share * scale).clamp(min=1e-300)
        weights = vectors @ (rotated / damped[:, None])
        error = validation.error(weights) if validation is not None else 0.0
        if best is None or error < best[0]:
            best = error, weights, share
    assert best is not None
    return best[1], best[2]


def _float64(x: Tensor) -> Tensor:
    """In float64, which Apple's MPS lacks."""
    return (x.cpu() if x.device.type == "mps" else x).double()
