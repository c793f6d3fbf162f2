"""Baselines to beat: PCA with the same code size, and the mean image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ae_run.data import Images, Part
from ae_run.evaluation.image_scores import Target
from ae_run.meter import Meter
from ae_run.models import mse

EXACT_PIXELS = 3000
"""Pixels up to which the full covariance matrix is decomposed."""
EXACT_WORK, EXACT_NUMBERS = 3e11, 2e8
"""Images times squared pixels, and times pixels, up to which it is computed from all images: 10 s
on two cores."""
RANDOMIZED_NUMBERS = 8e7
"""Images times pixels up to which the randomized solver takes all images, as floats."""
SAMPLED_NUMBERS = 3e7
"""Images times pixels that it takes of more: 120 MB."""
_PER_COMPONENT = 4  # images that it takes at least
_ROWS = 4096


def images_used(count: int, pixels: int, components: int) -> int:
    """Of so many training images, the first ones that PCA is fitted to: all where that is cheap."""
    if pixels <= EXACT_PIXELS:
        return min(count, round(EXACT_WORK / pixels**2), round(EXACT_NUMBERS / pixels))
    if count * pixels <= RANDOMIZED_NUMBERS:
        return count
    return min(count, max(round(SAMPLED_NUMBERS / pixels), _PER_COMPONENT * components))


@dataclass(frozen=True)
class Pca:
    """Principal components of the clean training images, on the device of the model."""

    mean: Tensor
    """(C·H·W,)"""
    components: Tensor
    """(k, C·H·W), orthonormal rows."""
    images: int | None = None
    """How many training images it was fitted to; None: to all."""

    @classmethod
    def fit(cls, train: Part, dims: int, device: torch.device) -> "Pca":
        """Fit that many components, or as many as the images allow.

        Exact up to `EXACT_PIXELS`; above, by scikit-learn's randomized solver, whose error is
        less than 1 % larger. Where all images would take too long, the first ones are used, which
        are a random sample of their classes.
        """
        pixels = train.images.pixels
        count = min(dims, len(train), pixels)
        used = images_used(len(train), pixels, count)
        axes = _exact if pixels <= EXACT_PIXELS else _randomized
        mean, components = axes(train.images.select(slice(used)), count)
        train.images.release()
        return cls(
            torch.from_numpy(mean.astype(np.float32)).to(device),
            torch.from_numpy(components.astype(np.float32)).to(device),
            used if used < len(train) else None,
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


def _exact(images: Images, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (P,) and first principal axes (count, P) of uint8 images (N, C, H, W), P = C·H·W.

    From the covariance matrix in float64, summed over blocks of images, so that they are never all
    copied to floats.
    """
    pixels = images.pixels
    starts = range(0, len(images), _ROWS)
    total = np.zeros(pixels)  # of integers, so that it is exact
    for start in starts:
        block = images[start : start + _ROWS]
        total += block.reshape(len(block), -1).sum(0, dtype=np.int64)
    mean = total / len(images) / 255
    covariance = np.zeros((pixels, pixels))
    for start in starts:
        block = images[start : start + _ROWS]
        centred = block.reshape(len(block), -1) / 255 - mean
        covariance += centred.T @ centred
    _, axes = np.linalg.eigh(covariance)  # in ascending order of variance
    return mean, axes[:, ::-1][:, :count].T


def _randomized(images: Images, count: int) -> tuple[np.ndarray, np.ndarray]:
    """See `_exact`."""
    from sklearn.decomposition import PCA

    x = np.empty((len(images), images.pixels), np.float32)
    start = 0
    for block in images.blocks():
        x[start : start + len(block)] = block.reshape(len(block), -1)
        start += len(block)
    x /= 255
    with np.errstate(invalid="ignore"):  # the ratios if the total variance is 0
        pca = PCA(count, copy=False, random_state=0).fit(x)
    return pca.mean_, pca.components_


class Baselines:
    """Test scores of baselines fitted to the training images, added up batch by batch.

    `pca`: see `Pca`; all image scores. `mean`: every image reconstructed as the mean training
    image; its MSE, in units of [0, 1] pixels.
    """

    def __init__(self, pca: Pca) -> None:
        self._pca, self._of_pca, self._of_mean = pca, Meter(), Meter()

    def add(self, target: Target) -> None:
        """Score the next test images."""
        images = target.images
        self._of_pca.add(target.scores(self._pca.reconstruct(images)))
        self._of_mean.add({"mse": mse(self._pca.mean.reshape(images.shape[1:]), images)})

    def means(self) -> dict[str, dict[str, Any]]:
        """The mean scores of all images added."""
        pca = self._pca
        used = {} if pca.images is None else {"images": pca.images}
        return {
            "pca": {**self._of_pca.means(), "components": len(pca.components), **used},
            "mean": self._of_mean.means(),
        }
