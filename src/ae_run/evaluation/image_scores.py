"""Scores between an image and what it should be: MSE, PSNR, SNR and SSIM, per image."""

import math
from functools import lru_cache

import torch
from torch import Tensor

from ae_run.models._base import mse

SMALLEST_MSE = 1e-10
"""Floor of the MSE in decibel scores, so that a perfect image has 100 dB and not infinity."""


def image_scores(output: Tensor, target: Tensor) -> dict[str, Tensor]:
    """All image scores of outputs against clean targets, (B, C, H, W) in [0, 1] → (B,) each.

    `mse`: mean over pixels. `psnr_db`: 10·log10(1 / mse). `snr_db`: 10·log10(mean square of
    the target / mse), NaN for a blank target. `ssim`: see `ssim`.
    """
    error = mse(output, target)
    floored = error.clamp(min=SMALLEST_MSE)
    power = target.square().flatten(1).mean(1)
    snr = torch.where(power > 0, 10 * torch.log10(power / floored), math.nan)
    return {
        "mse": error,
        "psnr_db": -10 * torch.log10(floored),
        "snr_db": snr,
        "ssim": ssim(output, target),
    }


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """Structural similarity of (B, C, H, W) in [0, 1], mean over windows and channels: (B,).

    Wang et al. 2004, "Image quality assessment: from error visibility to structural
    similarity": Gaussian window 11×11, σ 1.5, K1 0.01, K2 0.03, windows wholly inside the
    image. The window shrinks to the largest odd size that fits a smaller image.
    """
    height, width = x.shape[2:]
    size = min(11, height - 1 + height % 2, width - 1 + width % 2)
    rows = _filter(height, size, x.device, x.dtype)
    columns = _filter(width, size, x.device, x.dtype).T

    def local_mean(image: Tensor) -> Tensor:
        return rows @ image @ columns

    mean_x, mean_y = local_mean(x), local_mean(y)
    var_x = local_mean(x * x) - mean_x.square()
    var_y = local_mean(y * y) - mean_y.square()
    covariance = local_mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x.square() + mean_y.square() + c1)
    structure = (2 * covariance + c2) / (var_x + var_y + c2)
    return (luminance * structure).flatten(1).mean(1)


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
