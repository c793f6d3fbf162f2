"""Evaluation: the only code that opens the test split.

`evaluate` writes all scores to `metrics.json` and every array that a figure needs to
`artifacts.npz`. Nothing is selected by test scores; probes are trained on training codes.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Dataset, Images, Part
from ae_run.errors import RunFailed
from ae_run.evaluation import (
    baselines,
    codes,
    convergence,
    denoisers,
    dimensions,
    examples,
    frechet,
    likelihood,
    nearest,
    probes,
    robustness,
)
from ae_run.evaluation.codes import Codes
from ae_run.evaluation.earlier import Earlier
from ae_run.evaluation.explorer import explorer_arrays
from ae_run.evaluation.image_scores import image_scores
from ae_run.evaluation.latent import latent_arrays, prior_codes, traversals
from ae_run.evaluation_config import ProbeConfig
from ae_run.images import DeviceImages, pairs
from ae_run.meter import Meter
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
    test = dataset.open_test()
    images = DeviceImages(test.images, device)
    keys = images.keys()
    with part(f"scoring {len(images):,} test images"):
        pca = baselines.Pca.fit(dataset.train, model.active_dim, device)
        metrics, per_image = _clean_scores(config, model, images)
        metrics["baseline"] = baselines.baselines(pca, images, size)
        metrics |= likelihood.no_density(model, test.images)
    if options.log_likelihood_samples is not None:
        count = options.log_likelihood_samples
        with part(f"log p(x) of {len(images):,} images, {count:,} samples each"):
            metrics |= likelihood.log_likelihood(model, images, count, config, part)
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
    for name, curve in robustness.curves(config).items():
        with part(f"robustness, {name.replace('_', ' ')}"):
            scores, pictures = robustness.curve(curve, model, pca, images, keys, size)
        metrics["robustness"][name] = scores
        arrays |= _prefixed(f"robustness_{name}", pictures)
    if options.convergence is not None:
        with part("manifold convergence"):
            scores, frames = convergence.converge(options.convergence, model, config.seed, device)
        metrics["convergence"] = scores
        arrays |= _prefixed("convergence", frames)

    more_metrics, more_arrays = _from_codes(config, model, pca, dataset, images, folder, part)
    return metrics | more_metrics, arrays | more_arrays


def _clean_scores(
    config: Config, model: Autoencoder, images: DeviceImages
) -> tuple[Metrics, Arrays]:
    """Scores on clean input, in the mean and per image: `test_mse` (N,), `scores_<name>` (N,)."""
    torch.manual_seed(derive_seed(config.seed, "evaluate"))  # latent samples of a VAE's bound
    meter = Meter()
    per_image: dict[str, list[torch.Tensor]] = {}
    has_more = bool(model.score_names() - {"mse"})
    for target in images.batches(config.evaluate.batch_size):
        scores = image_scores(model.reconstruct(target), target)
        if has_more:
            scores = model.scores(target, target) | scores
        meter.add(scores)
        for name, values in scores.items():
            per_image.setdefault(name, []).append(values)
    arrays = {name: torch.cat(values).float().cpu().numpy() for name, values in per_image.items()}
    if not np.isfinite(arrays["mse"]).all():
        raise RunFailed("the model's output on test is not finite; try a smaller train.lr")
    metrics = {"n": len(images), "latent_dim": model.latent_dim, **meter.means()}
    return metrics, {"test_mse": arrays.pop("mse")} | _prefixed("scores", arrays)


def _from_codes(
    config: Config,
    model: Autoencoder,
    pca: baselines.Pca,
    dataset: Dataset,
    images: DeviceImages,
    folder: RunFolder,
    part: Parts,
) -> tuple[Metrics, Arrays]:
    """Scores and arrays computed from the codes."""
    options, device, classes = config.evaluate, images.device, len(dataset.class_names)
    metrics: Metrics = {}
    with part("codes of the test images"):
        test = Codes.of(model, dataset.open_test(), images, options.batch_size)
        shown = test.first(options.points)
        arrays = _drawn_codes(config, shown, dataset.open_test().images)

    @cache  # several parts look at the same codes
    def train_codes() -> Codes:
        images = DeviceImages(dataset.train.images, device)
        found = Codes.of(model, dataset.train, images, options.batch_size)
        dataset.train.images.release()
        return found

    with part("code dimensions"):
        metrics |= dimensions.scores(model, images, test, train_codes, options.batch_size)
    for dims in options.tsne:
        with part(f"t-SNE of {len(shown.z):,} codes in {dims} dimensions"):
            embedding = codes.tsne(shown.z.numpy(), dims, derive_seed(config.seed, "tsne") % 2**32)
        if embedding is not None:
            arrays |= {f"tsne_{dims}d": embedding, "tsne_labels": shown.labels.numpy()}

    if options.latent is not None:
        with part("latent space"):
            train = train_codes()
            metrics["latent"] = {
                "spread": float(train.z.std(0, correction=0).mean()),
                "samples_from": "codes" if prior_codes(model, 1, config.seed) is None else "prior",
            }
            arrays |= latent_arrays(
                options.latent, model, train, test, classes, config.seed, folder.say
            )
            arrays |= explorer_arrays(model, shown.z, images, options.batch_size)
            order = dimensions.importance(test, metrics.get("kl_per_dim"))
            arrays |= traversals(options.latent, model, train, order, config.seed)
            if "random_samples_images" in arrays:
                known = DeviceImages(dataset.train.images, device)
                drawn = arrays["random_samples_images"]
                means, pictures = nearest.of_samples(drawn, images, known)
                metrics["latent"]["nearest"] = means
                arrays |= _prefixed("nearest", pictures)
        with part("Jacobian of the encoder"):
            more, more_arrays = dimensions.encoder_scores(model, images, test)
        metrics["latent"] |= more
        arrays |= more_arrays
    if options.frechet is not None:
        with part("Fréchet distance of samples"):
            metrics["frechet"] = frechet.frechet(
                options.frechet, model, pca, dataset, train_codes, images, config.seed, folder.say
            )
    if options.probe is not None:
        with part(f"classifiers on codes: {', '.join(options.probe.classifiers)}"):
            scores = _probe(config, options.probe, model, pca, dataset, train_codes, test)
        if scores:
            metrics["probe"] = scores
    return metrics, arrays


def _probe(
    config: Config,
    options: ProbeConfig,
    model: Autoencoder,
    pca: baselines.Pca,
    dataset: Dataset,
    train_codes: Callable[[], Codes],
    test: Codes,
) -> Metrics:
    """Scores of classifiers on codes, and on pixels or principal components for comparison.

    `train_codes` and `test` are the codes of clean images.
    """
    device, classes = pca.mean.device, len(dataset.class_names)

    def splits(encode: Callable[[Tensor], Tensor]) -> probes.Splits:
        def codes(part: Part) -> Codes:
            part = part.select(slice(probes.most(math.prod(dataset.image_shape))))
            return Codes.through(encode, _inputs(config, options, part, device), part.labels)

        train, test = codes(dataset.train), codes(dataset.open_test())
        validation = codes(dataset.validation) if len(dataset.validation) else train.first(0)
        return probes.Splits(train, validation, test, classes)

    if options.input == "clean":
        images = DeviceImages(dataset.validation.images, device)
        validation = Codes.of(model, dataset.validation, images, config.evaluate.batch_size)
        own = probes.Splits(train_codes(), validation, test, classes)
    else:
        own = splits(model.encode)
    scores = probes.probe(options, own, config.seed)
    used = min(len(own.train), probes.most(own.train.z.shape[1]))
    if used < len(dataset.train):
        scores = {name: {**one, "n_train": used} for name, one in scores.items()}
    others = {"pixels": lambda x: x.flatten(1), "pca": pca.encode}
    for name in options.baselines if scores else ():
        for classifier, other in probes.probe(options, splits(others[name]), config.seed).items():
            kept = {key: other[key] for key in ("accuracy", "validation_accuracy")}
            scores[classifier].setdefault("baselines", {})[name] = kept
    return scores


def _inputs(
    config: Config, options: ProbeConfig, part: Part, device: torch.device
) -> Iterator[Tensor]:
    """A split in batches (B, C, H, W), clean or under the run's corruption."""
    images, size = DeviceImages(part.images, device), config.evaluate.batch_size
    if options.input == "clean":
        return images.batches(size)
    keys = images.keys()
    corrupt = corruptions.of_split(config.corruption, images, keys)
    return (x_in for x_in, _ in pairs(images, corrupt, keys, size))


def _drawn_codes(config: Config, shown: Codes, images: Images) -> Arrays:
    """Codes of the first test images, and their projections."""
    z, labels = shown.z.numpy(), shown.labels.numpy()
    points, axes = codes.project(z, 2)
    arrays = {
        "codes": z,
        "codes_labels": labels,
        "codes_2d": points,
        "codes_2d_axes": axes,
        "codes_thumbnails": images[: len(z)],
    }
    if z.shape[1] >= 3 and config.evaluate.latent is not None:
        arrays["codes_3d"], arrays["codes_3d_axes"] = codes.project(z, 3)
    return arrays


def _prefixed(name: str, arrays: Arrays) -> Arrays:
    return {f"{name}_{key}": array for key, array in arrays.items()}


def _without_nan(value: Any) -> Any:
    """The value with NaN, a score that no image has, as None: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
