"""Scores under growing corruption, on the same corrupted images for every model."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ae_run import corruptions
from ae_run.config import RobustnessConfig
from ae_run.data._batches import DeviceImages
from ae_run.evaluation.image_scores import image_scores
from ae_run.evaluation.meter import Meter
from ae_run.models import Autoencoder
from ae_run.randomness import KeyedNoise

EXAMPLES = 6


def curve(
    config: RobustnessConfig,
    model: Autoencoder,
    images: DeviceImages,
    keys: Tensor,
    batch_size: int,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """One corruption's curve: scores of output and input per level, and example images.

    Returns:
        Metrics: `level_name`, `levels`, and per score a list over levels, of the model's output
        (`mse`, …) and of the corrupted input itself (`input_mse`, …). Arrays: `inputs` and
        `outputs`, uint8 (levels, examples, C, H, W).
    """
    functions = [
        corruptions.build(corruptions.at_level(config.corruption, level)) for level in config.levels
    ]
    meters = [Meter() for _ in functions]
    inputs, outputs = [], []
    for start in range(0, len(images), batch_size):
        target = images.slice(start, start + batch_size)
        noise = KeyedNoise(keys[start : start + batch_size])
        for corrupt, meter in zip(functions, meters, strict=True):
            noise.rewind()  # the same random numbers at every level
            x_in = corrupt(target, noise)
            output = model.reconstruct(x_in)
            meter.add(image_scores(output, target))
            meter.add({f"input_{k}": v for k, v in image_scores(x_in, target).items()})
            if start == 0:
                inputs.append(to_uint8(x_in[:EXAMPLES]))
                outputs.append(to_uint8(output[:EXAMPLES]))
    means = [meter.means() for meter in meters]
    metrics: dict[str, Any] = {
        "level_name": corruptions.level_name(config.corruption),
        "levels": list(config.levels),
        "n": len(images),
    }
    for name in means[0]:
        metrics[name] = [mean[name] for mean in means]
    return metrics, {"inputs": np.stack(inputs), "outputs": np.stack(outputs)}


def to_uint8(images: Tensor) -> np.ndarray:
    """Float images in [0, 1] as uint8 of the same shape."""
    array: np.ndarray = images.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
    return array
