"""Baselines to beat: PCA with the same code size, and the mean image."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ae_run.data import Part
from ae_run.evaluation.image_scores import image_scores
from ae_run.images import DeviceImages
from ae_run.meter import Meter
from ae_run.models import mse

EXACT_PIXELS = 3000
"""Pixels up to which the full covariance matrix is decomposed."""
_ROWS = 4096


@dataclass(frozen=True)
class Pca:
    """Principal components of the clean training images, on the device of the model."""

    mean: Tensor
    """(C·H·W,)"""
    components: Tensor
    """(k, C·H·W), orthonormal rows."""

    @classmethod
    def fit(cls, train: Part, dims: int, device: torch.device) -> "Pca":
        """Fit that many components, or as many as the images allow.

        Exact up to `EXACT_PIXELS`; above, by scikit-learn's randomized solver, whose error is
        less than 1 % larger.
        """
        count = min(dims, len(train), math.prod(train.images.shape[1:]))
        axes = _exact if math.prod(train.images.shape[1:]) <= EXACT_PIXELS else _randomized
        mean, components = axes(train.images, count)
        return cls(
            torch.from_numpy(mean.astype(np.float32)).to(device),
            torch.from_numpy(components.astype(np.float32)).to(device),
        )

    def encode(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) → codes (B, k)."""
        return (images.flatten(1) - self.mean) @ self.components.T

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) → their projections onto the components, of the same shape."""
        return self.decode(self.encode(images)).reshape(images.shape)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (B, k) → flat images (B, C·H·W)."""
        return torch.addmm(self.mean, codes, self.components)


def _exact(images: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (P,) and first principal axes (count, P) of uint8 images (N, C, H, W), P = C·H·W.

    From the covariance matrix in float64, summed over blocks of images, so that they are never all
    copied to floats.
    """
    flat = images.reshape(len(images), -1)
    mean = flat.mean(0, dtype=np.float64) / 255
    covariance = np.zeros((flat.shape[1], flat.shape[1]))
    for start in range(0, len(flat), _ROWS):
        centred = flat[start : start + _ROWS] / 255 - mean
        covariance += centred.T @ centred
    _, axes = np.linalg.eigh(covariance)  # in ascending order of variance
    return mean, axes[:, ::-1][:, :count].T


def _randomized(images: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """See `_exact`."""
    from sklearn.decomposition import PCA

    x = images.reshape(len(images), -1).astype(np.float32)
    x /= 255
    with np.errstate(invalid="ignore"):  # the ratios if the total variance is 0
        pca = PCA(count, copy=False, random_state=0).fit(x)
    return pca.mean_, pca.components_


def baselines(pca: Pca, test: DeviceImages, batch_size: int) -> dict[str, dict[str, Any]]:
    """Test scores of baselines fitted to the training images.

    `pca`: see `Pca`; all image scores. `mean`: every image reconstructed as the mean training
    image; its MSE, in units of [0, 1] pixels.
    """
    of_pca, of_mean = Meter(), Meter()
    for target in test.batches(batch_size):
        of_pca.add(image_scores(pca.reconstruct(target), target))
        of_mean.add({"mse": mse(pca.mean.reshape(target.shape[1:]), target)})
    return {
        "pca": {**of_pca.means(), "components": len(pca.components)},
        "mean": of_mean.means(),
    }
