"""Classical denoisers, which know nothing of the data set: what a denoising net should beat.

Each has one parameter, chosen by its MSE on validation images under the run's own corruption.
Channels are filtered separately; outputs are clipped to [0, 1].

Legend: B batch, C channels, H W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.evaluation.image_scores import image_scores
from ae_run.images import DeviceImages, first_pair, to_uint8
from ae_run.meter import Meter
from ae_run.models import Autoencoder, mse

TUNED_ON = 200
"""Validation images to choose the parameters by: the filters take about 0.5 ms per image."""
_TV_STEPS, _TV_RATE = 20, 0.25


@dataclass(frozen=True)
class Denoiser:
    """A filter of corrupted images (B, C, H, W) with one parameter."""

    parameter: str
    values: tuple[float, ...]
    """To choose from; without validation images, the middle one."""
    function: Callable[[Tensor, float], Tensor]

    def tuned(self, x_in: Tensor, target: Tensor) -> float:
        """The value with the smallest MSE between filtered `x_in` and `target`."""
        if not len(target):
            return self.values[len(self.values) // 2]
        errors = [float(mse(self(x_in, value), target).mean()) for value in self.values]
        return self.values[int(np.argmin(errors))]

    def __call__(self, x: Tensor, value: float) -> Tensor:
        """Images (B, C, H, W) → images in [0, 1]."""
        return self.function(x, value).clamp(0, 1)


def median(x: Tensor, size: float) -> Tensor:
    """The median of the size × size pixels around each pixel; edges are mirrored."""
    from scipy.ndimage import median_filter

    window = (1, 1, int(size), int(size))
    return torch.from_numpy(median_filter(x.cpu().numpy(), window)).to(x)


def wiener(x: Tensor, size: float) -> Tensor:
    """The adaptive Wiener filter over size × size pixels; edges are mirrored.

    The noise's power is the mean local variance of all images. Lim 1990, "Two-dimensional signal
    and image processing", equation 9.44.
    """
    from scipy.signal import wiener as scipy_wiener

    edge = int(size) // 2
    image = np.pad(x.cpu().double().numpy(), [(0, 0)] * 2 + [(edge, edge)] * 2, "symmetric")
    with np.errstate(divide="ignore", invalid="ignore"):  # where the image is flat
        found = scipy_wiener(image, (1, 1, int(size), int(size)))
    filtered = np.where(np.isfinite(found), found, image)
    return torch.from_numpy(filtered[:, :, edge:-edge, edge:-edge]).to(x)


def total_variation(x: Tensor, weight: float) -> Tensor:
    """The u that minimises ‖u − x‖²/2 + weight·TV(u), by 20 steps.

    Chambolle 2004, "An algorithm for total variation minimization and applications", equation 9.
    """
    down, right = torch.zeros_like(x), torch.zeros_like(x)  # the dual variable p
    for _ in range(_TV_STEPS):
        u = _divergence(down, right) - x / weight
        along_rows, along_columns = torch.zeros_like(u), torch.zeros_like(u)
        along_rows[..., :-1, :] = u.diff(dim=-2)
        along_columns[..., :-1] = u.diff(dim=-1)
        norm = 1 + _TV_RATE * (along_rows.square() + along_columns.square()).sqrt()
        down = (down + _TV_RATE * along_rows) / norm
        right = (right + _TV_RATE * along_columns) / norm
    return x - weight * _divergence(down, right)


def _divergence(down: Tensor, right: Tensor) -> Tensor:
    """The negative adjoint of the forward differences."""
    found = down + right
    found[..., 1:, :] -= down[..., :-1, :]
    found[..., 1:] -= right[..., :-1]
    return found


DENOISERS = {
    "median": Denoiser("size", (3, 5), median),
    "wiener": Denoiser("size", (3, 5, 7), wiener),
    "total_variation": Denoiser("weight", (0.05, 0.1, 0.2, 0.3, 0.5), total_variation),
}


def compare(
    config: Config, model: Autoencoder, dataset: Dataset, images: DeviceImages, shown: int
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The model and the classical denoisers on the first `evaluate.denoisers` test images.

    Returns:
        Metrics: `n` images, `tuned_on`, the `best` denoiser by MSE, and scores of the `model` and
        of each denoiser with its parameter. Arrays: the `output` of the best one for the first
        `shown` images, uint8 (shown, C, H, W).
    """
    count = min(config.evaluate.denoisers or 0, len(images))
    validation = DeviceImages(dataset.validation.images, images.device)
    known = min(TUNED_ON, len(validation))
    tuning = _pair(config, validation, known) if known else (images.slice(0, 0),) * 2
    x_in, target = _pair(config, images, count)
    outputs = {"model": _reconstruct(model, x_in, config.evaluate.batch_size)}
    chosen = {}
    for name, denoiser in DENOISERS.items():
        value = denoiser.tuned(*tuning)
        outputs[name], chosen[name] = denoiser(x_in, value), {denoiser.parameter: value}
    scores = {}
    for name, output in outputs.items():
        meter = Meter()
        meter.add(image_scores(output, target))
        scores[name] = chosen.get(name, {}) | meter.means()
    best = min(DENOISERS, key=lambda name: scores[name]["mse"])
    metrics = {"n": count, "tuned_on": known, "best": best, **scores}
    return metrics, {"output": to_uint8(outputs[best][:shown])}


def _pair(config: Config, images: DeviceImages, count: int) -> tuple[Tensor, Tensor]:
    """The first images under the run's own corruption, and clean: (count, C, H, W) each."""
    keys = images.keys()
    corrupt = corruptions.of_split(config.corruption, images, keys)
    return first_pair(images, corrupt, keys, count)


def _reconstruct(model: Autoencoder, x: Tensor, batch_size: int) -> Tensor:
    return torch.cat([model.reconstruct(batch) for batch in torch.split(x, batch_size)])
