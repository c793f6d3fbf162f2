"""Evaluation: the only code that opens the test split.

`evaluate` writes all scores to `metrics.json` and every array that a figure needs to
`artifacts.npz`. Nothing is selected by test scores; probes are trained on training codes.
"""

import math
from typing import Any

import numpy as np
import torch

from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.errors import RunFailed
from ae_run.evaluation import (
    baselines,
    code_scores,
    convergence,
    denoisers,
    examples,
    likelihood,
    robustness,
)
from ae_run.evaluation.earlier import Earlier
from ae_run.evaluation.image_scores import Target
from ae_run.images import DeviceImages
from ae_run.meter import Meter, PerImage
from ae_run.models import Autoencoder
from ae_run.progress import Parts
from ae_run.randomness import derive_seed
from ae_run.run_folder import SNAPSHOTS, RunFolder

Arrays = dict[str, np.ndarray]
Metrics = dict[str, Any]


@torch.no_grad()
def evaluate(
    config: Config,
    model: Autoencoder,
    dataset: Dataset,
    folder: RunFolder,
    device: torch.device,
    earlier: Earlier | None = None,
) -> Metrics:
    """Score a trained model on the test split, write both files, and return the metrics.

    What `earlier` found is kept for the parts that the config switches off.

    Raises:
        RunFailed: the model's output is not finite.
    """
    with Parts(folder, "evaluate", _count(config)) as part:
        metrics, arrays = _evaluate(config, model, dataset, folder, device, part)
    if earlier is not None:
        metrics = earlier.kept_metrics(config.evaluate, metrics)
        arrays = earlier.kept_arrays(config.evaluate, arrays)
    folder.write_json("metrics.json", _without_nan(metrics))
    folder.write_arrays("artifacts.npz", arrays)
    return metrics


def _count(config: Config) -> int:
    """How many parts there are to show."""
    options = config.evaluate
    parts: list[object] = [options.convergence, options.latent, options.probe]
    parts += [options.log_likelihood_samples, options.frechet]
    if config.corruption.name != "none":
        parts += [config.corruption, options.denoisers]
    named = len(robustness.curves(config)) + len(options.tsne)
    parts.append(options.latent)  # and the Jacobian
    return 3 + sum(part is not None for part in parts) + named


def _evaluate(
    config: Config,
    model: Autoencoder,
    dataset: Dataset,
    folder: RunFolder,
    device: torch.device,
    part: Parts,
) -> tuple[Metrics, Arrays]:
    options, size = config.evaluate, config.evaluate.batch_size
    # Convolutions are faster with this weight layout, on CPUs and on CUDA.
    model = model.to(device, torch.float32).to(memory_format=torch.channels_last).eval()
    dataset = dataset.unmapped()
    test = dataset.open_test()
    images = DeviceImages(test.images, device)
    keys = images.keys()
    with part(f"scoring {len(images):,} test images"):
        pca = baselines.Pca.fit(dataset.train, model.active_dim, device)
        metrics, per_image = _clean_scores(config, model, pca, images)
        metrics |= likelihood.no_density(model, test.images)
    if options.log_likelihood_samples is not None:
        count = options.log_likelihood_samples
        with part(f"log p(x) of {len(images):,} images, {count:,} samples each"):
            scores, more = likelihood.log_likelihood(model, images, count, config, part)
            metrics |= scores
            per_image |= more
    if config.corruption.name != "none":
        with part(f"scoring under {config.corruption.name} corruption"):
            metrics["denoising"], more = robustness.denoising(config, model, pca, images, keys)
            per_image |= _prefixed("denoising", more)
    if config.corruption.name != "none" and options.denoisers is not None:
        with part("classical denoisers"):
            shown = min(2 * options.grid, len(images))
            scores, pictures = denoisers.compare(config, model, dataset, images, shown)
            metrics["denoisers"] = scores
            per_image |= _prefixed("denoisers", pictures)
    metrics["robustness"] = {}

    arrays = {"class_names": np.array(dataset.class_names), **per_image}
    arrays |= examples.samples(dataset.train, options.grid)
    arrays |= examples.reconstructions(config, model, images, keys, test.labels)
    arrays |= examples.worst(model, images, arrays["test_mse"], options.grid)
    arrays |= examples.kept(config, model, images, keys)
    if folder.has(SNAPSHOTS):
        arrays |= _prefixed("snapshots", folder.read_arrays(SNAPSHOTS))
    used = robustness.images_used(len(images), test.images.pixels)
    curved = DeviceImages(test.images.select(slice(used)), device)
    for name, curve in robustness.curves(config).items():
        with part(f"robustness, {name.replace('_', ' ')}"):
            scores, pictures = robustness.curve(curve, model, pca, curved, keys[:used], size)
        metrics["robustness"][name] = scores
        arrays |= _prefixed(f"robustness_{name}", pictures)
    if options.convergence is not None:
        with part("manifold convergence"):
            scores, frames = convergence.converge(options.convergence, model, config.seed, device)
        metrics["convergence"] = scores
        arrays |= _prefixed("convergence", frames)

    coded = code_scores.CodeScores(config, model, pca, dataset, images, folder.say)
    more_metrics, more_arrays = coded.all(part)
    return metrics | more_metrics, arrays | more_arrays


def _clean_scores(
    config: Config, model: Autoencoder, pca: baselines.Pca, images: DeviceImages
) -> tuple[Metrics, Arrays]:
    """Scores on clean input, in the mean and per image: `test_mse` (N,), `scores_<name>` (N,).

    Beside them, those of the baselines.
    """
    torch.manual_seed(derive_seed(config.seed, "evaluate"))  # latent samples of a VAE's bound
    meter, reference = Meter(), baselines.Baselines(pca)
    per_image = PerImage(len(images))
    has_more = bool(model.score_names() - {"mse"})
    for batch in images.batches(config.evaluate.batch_size):
        target = Target(batch)
        scores = target.scores(model.reconstruct(batch))
        if has_more:
            scores = model.scores(batch, batch) | scores
        meter.add(scores)
        reference.add(target)
        per_image.add(scores)
    arrays = per_image.arrays()
    if not np.isfinite(arrays["mse"]).all():
        raise RunFailed("the model's output on test is not finite; try a smaller train.lr")
    metrics = {
        "n": len(images),
        "latent_dim": model.latent_dim,
        **meter.means(),
        "baseline": reference.means(),
    }
    return metrics, {"test_mse": arrays.pop("mse")} | _prefixed("scores", arrays)


def _prefixed(name: str, arrays: Arrays) -> Arrays:
    return {f"{name}_{key}": array for key, array in arrays.items()}


def _without_nan(value: Any) -> Any:
    """The value with NaN, a score that no image has, as None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
