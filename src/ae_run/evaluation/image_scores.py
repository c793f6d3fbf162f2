"""Scores of an output against its target, per image: MSE, PSNR, SNR and SSIM."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from ae_run.models import mse

SMALLEST_MSE = 1e-10
"""Floor of the MSE in decibel scores, so that a perfect image scores 100 dB, not infinity."""
_C1, _C2 = 0.01**2, 0.03**2
_BLOCK = 2**18
"""Numbers in a block of images, 1 MB. SSIM of 64×64×3 takes a third of what it takes at once."""


class Target:
    """Clean images (B, C, H, W) in [0, 1], with cached terms of the scores against them."""

    def __init__(self, images: Tensor) -> None:
        self.images = images
        self._power = images.square().flatten(1).mean(1)
        whole = images.device.type != "cpu"
        self._block = len(images) if whole else max(1, _BLOCK // math.prod(images.shape[1:]))
        self._blocks = [_Block(block) for block in torch.split(images, self._block)]

    def scores(self, output: Tensor) -> dict[str, Tensor]:
        """All image scores of outputs (B, C, H, W), each (B,).

        `mse`: mean over pixels. `psnr_db`: 10·log10(1 / mse). `snr_db`: 10·log10(mean square of
        the target / mse), NaN for a blank target. `ssim`: see `ssim`.
        """
        error = mse(output, self.images)
        floored = error.clamp(min=SMALLEST_MSE)
        snr = torch.where(self._power > 0, 10 * torch.log10(self._power / floored), math.nan)
        return {
            "mse": error,
            "psnr_db": -10 * torch.log10(floored),
            "snr_db": snr,
            "ssim": self.ssim(output),
        }

    def ssim(self, output: Tensor) -> Tensor:
        """Structural similarity, mean over windows and channels: (B,).

        Wang et al. 2004, "Image quality assessment: from error visibility to structural
        similarity": Gaussian window 11×11, σ 1.5, K1 0.01, K2 0.03, windows entirely inside the
        image. On smaller images the window shrinks to the largest odd size that fits.
        """
        outputs = torch.split(output, self._block)
        return torch.cat([a.ssim(b) for a, b in zip(self._blocks, outputs, strict=True)])


class _Block:
    """Images of a target whose terms of SSIM fit into a CPU's cache, and these terms."""

    def __init__(self, images: Tensor) -> None:
        self._images = images
        height, width = images.shape[2:]
        size = min(11, height - 1 + height % 2, width - 1 + width % 2)
        self._rows = _filter(height, size, images.device, images.dtype)
        self._columns = _filter(width, size, images.device, images.dtype).T
        self._mean = self._local_mean(images)
        self._variance = self._local_mean(images.square()) - self._mean.square()

    def ssim(self, output: Tensor) -> Tensor:
        """See `Target.ssim`."""
        mean = self._local_mean(output)
        variance = self._local_mean(output.square()) - mean.square()
        both = mean * self._mean
        covariance = self._local_mean(output * self._images) - both
        luminance = (2 * both + _C1) / (mean.square() + self._mean.square() + _C1)
        structure = (2 * covariance + _C2) / (variance + self._variance + _C2)
        return (luminance * structure).flatten(1).mean(1)

    def _local_mean(self, images: Tensor) -> Tensor:
        return self._rows @ images @ self._columns


def image_scores(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    """All scores of outputs against clean targets, (B, C, H, W) in [0, 1]; see `Target`."""
    return Target(target).scores(output)


@lru_cache
def _filter(length: int, size: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The Gaussian window as a banded matrix, (length - size + 1, length)."""
    distance = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    window = torch.exp(-distance.square() / (2 * 1.5**2))
    window /= window.sum()
    matrix = torch.zeros(length - size + 1, length, dtype=torch.float64)
    for i in range(len(matrix)):
        matrix[i, i : i + size] = window
    return matrix.to(device, dtype)
