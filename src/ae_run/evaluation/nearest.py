"""The nearest training images of samples: whether they are new or copies."""

import numpy as np
import torch
from torch import Tensor

from ae_run.images import DeviceImages, to_uint8
from ae_run.models import mse

_AT_ONCE = 4096


def of_samples(
    samples: np.ndarray, test: DeviceImages, train: DeviceImages
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The nearest training images of samples, uint8 (n, C, H, W), and of as many test images.

    Returns:
        Metrics: the mean MSE of `samples` and of `test` images to their nearest ones. Arrays, for
        each of the two: `<kind>_images`, uint8 (n, C, H, W), and `<kind>_mse` (n,); `test_targets`,
        the test images.
    """
    means: dict[str, float] = {}
    arrays: dict[str, np.ndarray] = {}
    drawn = torch.from_numpy(samples).to(test.device).float() / 255
    for kind, images in {"samples": drawn, "test": test.slice(0, len(samples))}.items():
        found, errors = nearest(images, train)
        means[kind] = float(errors.mean())
        arrays |= {f"{kind}_images": to_uint8(found), f"{kind}_mse": errors.cpu().numpy()}
    return means, arrays | {"test_targets": to_uint8(test.slice(0, len(samples)))}


def nearest(images: Tensor, train: DeviceImages) -> tuple[Tensor, Tensor]:
    """The nearest of N training images, by squared error, to each of (B, C, H, W) in [0, 1].

    Returns:
        The nearest images (B, C, H, W), and their MSE per pixel to the given ones (B,).
    """
    flat = images.flatten(1)
    least = torch.full((len(flat),), torch.inf, device=flat.device)
    places = torch.zeros(len(flat), dtype=torch.int64, device=flat.device)
    start = 0
    for batch in train.batches(_AT_ONCE):
        # ‖a − b‖² up to ‖a‖², which is the same for every b.
        squares = batch.flatten(1).square().sum(1) - 2 * flat @ batch.flatten(1).T
        value, place = squares.min(1)
        nearer = value < least
        least = torch.where(nearer, value, least)
        places = torch.where(nearer, place + start, places)
        start += len(batch)
    found = train.take(places)
    return found, mse(found, images)
