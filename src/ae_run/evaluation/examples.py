"""Images for the figures: samples, reconstructions, and the worst of these."""

import numpy as np
import torch

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Part
from ae_run.images import DeviceImages, first_pair, to_uint8
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
    """The first test images, clean and under the run's corruption, and their reconstructions."""
    count = 2 * config.evaluate.grid
    corrupt = corruptions.of_split(config.corruption, images, keys)
    x_in, target = first_pair(images, corrupt, keys, count)
    return {
        "reconstruction_target": to_uint8(target),
        "reconstruction_input": to_uint8(x_in),
        "reconstruction_output": to_uint8(model.reconstruct(x_in)),
        "reconstruction_labels": labels[:count],
    }


def kept(config: Config, model: Autoencoder, images: DeviceImages, keys: torch.Tensor) -> Arrays:
    """The first test images, without rounding to uint8, from which scores can be recomputed.

    The target as uint8, the input (under the run's corruption) and the output as float16, all
    (n, C, H, W).
    """
    corrupt = corruptions.of_split(config.corruption, images, keys)
    x_in, target = first_pair(images, corrupt, keys, KEPT)
    return {
        "examples_target": to_uint8(target),
        "examples_input": x_in.half().cpu().numpy(),
        "examples_output": model.reconstruct(x_in).half().cpu().numpy(),
    }


def worst(model: Autoencoder, images: DeviceImages, mse: np.ndarray, count: int) -> Arrays:
    """The test images with the largest error on clean input."""
    order = np.argsort(-mse, kind="stable")[:count]
    target = images.take(torch.from_numpy(order).to(images.device))
    return {
        "worst_target": to_uint8(target),
        "worst_output": to_uint8(model.reconstruct(target)),
        "worst_mse": mse[order],
    }
