"""Images that the figures show: samples, reconstructions, and the worst of them."""

import numpy as np
import torch

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Part
from ae_run.images import DeviceImages, pairs, to_uint8
from ae_run.models import Autoencoder

Arrays = dict[str, np.ndarray]
KEPT = 100


def samples(train: Part, grid: int) -> Arrays:
    """The first training images."""
    count = 6 * grid
    return {"samples_images": train.images[:count], "samples_labels": train.labels[:count]}


def reconstructions(
    config: Config,
    model: Autoencoder,
    images: DeviceImages,
    keys: torch.Tensor,
    labels: np.ndarray,
) -> Arrays:
    """The first test images, as the run's corruption shows them, and their reconstructions."""
    count = min(2 * config.evaluate.grid, len(images))
    corrupt = corruptions.of_split(config.corruption, images, keys)
    x_in, target = next(pairs(images, corrupt, keys, count))
    return {
        "reconstruction_target": to_uint8(target),
        "reconstruction_input": to_uint8(x_in),
        "reconstruction_output": to_uint8(model.reconstruct(x_in)),
        "reconstruction_labels": labels[:count],
    }


def kept(config: Config, model: Autoencoder, images: DeviceImages, keys: torch.Tensor) -> Arrays:
    """The first test images in full, from which scores can be computed again.

    Target uint8, input under the run's corruption and output float16: (n, C, H, W).
    """
    corrupt = corruptions.of_split(config.corruption, images, keys)
    x_in, target = next(pairs(images, corrupt, keys, min(KEPT, len(images))))
    return {
        "examples_target": to_uint8(target),
        "examples_input": x_in.half().cpu().numpy(),
        "examples_output": model.reconstruct(x_in).half().cpu().numpy(),
    }


def worst(model: Autoencoder, images: DeviceImages, mse: np.ndarray, count: int) -> Arrays:
    """The test images with the largest error, under clean input."""
    order = np.argsort(-mse, kind="stable")[:count]
    target = images.take(torch.from_numpy(order).to(images.device))
    return {
        "worst_target": to_uint8(target),
        "worst_output": to_uint8(model.reconstruct(target)),
        "worst_mse": mse[order],
    }
