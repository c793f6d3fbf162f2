"""Evaluation: the one place that opens the test split.

`evaluate` writes `metrics.json`, all scores, and `artifacts.npz`, every array that a figure
needs. It trains nothing and picks nothing by what it sees.
"""

import math
from typing import Any

import numpy as np
import torch

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Dataset, Part
from ae_run.data._batches import DeviceImages
from ae_run.errors import RunFailed
from ae_run.evaluation.baselines import baselines, project_to_2d
from ae_run.evaluation.image_scores import image_scores
from ae_run.evaluation.meter import Meter, pairs
from ae_run.evaluation.robustness import curve, to_uint8
from ae_run.models import Autoencoder
from ae_run.randomness import derive_seed, image_keys
from ae_run.run_folder import RunFolder

Arrays = dict[str, np.ndarray]


@torch.no_grad()
def evaluate(
    config: Config,
    model: Autoencoder,
    dataset: Dataset,
    folder: RunFolder,
    device: torch.device,
) -> dict[str, Any]:
    """Score a trained model on the test split and write both files; return the metrics.

    Raises:
        RunFailed: the model's output is not finite.
    """
    model = model.to(device, torch.float32).eval()
    test = dataset.open_test()
    images = DeviceImages(test.images, device)
    keys = image_keys(test.images).to(device)
    torch.manual_seed(derive_seed(config.seed, "evaluate"))

    metrics, per_image = _clean_scores(config, model, images)
    metrics["baseline"] = baselines(dataset.train, test, model.latent_dim)
    arrays = {"class_names": np.array(dataset.class_names), "test_mse": per_image}
    arrays |= _samples(dataset.train, config.evaluate.grid)
    arrays |= _reconstructions(config, model, images, keys, test.labels)
    arrays |= _worst(model, images, per_image, config.evaluate.grid)
    arrays |= _codes(config, model, images, test)
    if config.corruption.name != "none":
        metrics["denoising"] = _denoising(config, model, images, keys)
    metrics["robustness"] = {}
    for name, robustness in config.evaluate.robustness.items():
        scores, examples = curve(robustness, model, images, keys, config.evaluate.batch_size)
        metrics["robustness"][name] = scores
        arrays |= {f"robustness_{name}_{key}": array for key, array in examples.items()}

    folder.write_json("metrics.json", _without_nan(metrics))
    folder.write_arrays("artifacts.npz", arrays)
    return metrics


def _clean_scores(
    config: Config, model: Autoencoder, images: DeviceImages
) -> tuple[dict[str, Any], np.ndarray]:
    """Scores under clean input, and the MSE of each image (N,)."""
    meter, per_image = Meter(), []
    for target in images.batches(config.evaluate.batch_size):
        scores = image_scores(model.reconstruct(target), target)
        per_image.append(scores["mse"])
        meter.add(scores)
        meter.add({k: v for k, v in model.scores(target, target).items() if k != "mse"})
    means = meter.means()
    if not math.isfinite(means["mse"]):
        raise RunFailed("the model's output on test is not finite; try a smaller train.lr")
    return (
        {"n": len(images), "latent_dim": model.latent_dim, **means},
        torch.cat(per_image).cpu().numpy(),
    )


def _denoising(
    config: Config, model: Autoencoder, images: DeviceImages, keys: torch.Tensor
) -> dict[str, Any]:
    """Scores of output and input under the run's own corruption."""
    corrupt = corruptions.build(config.corruption)
    before, after = Meter(), Meter()
    for x_in, target in pairs(images, corrupt, keys, config.evaluate.batch_size):
        before.add(image_scores(x_in, target))
        after.add(image_scores(model.reconstruct(x_in), target))
    level_name = corruptions.level_name(config.corruption)
    return {
        "corruption": config.corruption.name,
        "level_name": level_name,
        "level": getattr(config.corruption, level_name),
        "n": len(images),
        "input": before.means(),
        "output": after.means(),
    }


def _samples(train: Part, grid: int) -> Arrays:
    count = 6 * grid
    return {"samples_images": train.images[:count], "samples_labels": train.labels[:count]}


def _reconstructions(
    config: Config,
    model: Autoencoder,
    images: DeviceImages,
    keys: torch.Tensor,
    labels: np.ndarray,
) -> Arrays:
    """The first test images, as the run's corruption shows them, and their reconstructions."""
    count = min(2 * config.evaluate.grid, len(images))
    corrupt = corruptions.build(config.corruption)
    x_in, target = next(pairs(images, corrupt, keys, count))
    return {
        "reconstruction_target": to_uint8(target),
        "reconstruction_input": to_uint8(x_in),
        "reconstruction_output": to_uint8(model.reconstruct(x_in)),
        "reconstruction_labels": labels[:count],
    }


def _worst(model: Autoencoder, images: DeviceImages, mse: np.ndarray, count: int) -> Arrays:
    """The test images with the largest error, under clean input."""
    worst = np.argsort(-mse, kind="stable")[:count]
    target = images.take(torch.from_numpy(worst).to(images.device))
    return {
        "worst_target": to_uint8(target),
        "worst_output": to_uint8(model.reconstruct(target)),
        "worst_mse": mse[worst],
    }


def _codes(config: Config, model: Autoencoder, images: DeviceImages, test: Part) -> Arrays:
    """Codes of the first `evaluate.points` test images, also in two dimensions."""
    count = min(config.evaluate.points, len(images))
    size = config.evaluate.batch_size
    parts = [
        model.encode(images.slice(start, min(start + size, count)))
        for start in range(0, count, size)
    ]
    codes = torch.cat(parts).float().cpu().numpy()
    points, axes = project_to_2d(codes)
    return {
        "codes": codes,
        "codes_labels": test.labels[:count],
        "codes_2d": points,
        "codes_2d_axes": axes,
        "codes_thumbnails": test.images[:count],
    }


def _without_nan(value: Any) -> Any:
    """NaN, a score that no image has, as null: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
