"""Scores under corruption; every model sees the same corrupted test images."""

from typing import Any

import numpy as np
from pydantic import ValidationError
from torch import Tensor

from ae_run import corruptions
from ae_run.config import Config
from ae_run.evaluation.baselines import Pca
from ae_run.evaluation.image_scores import Target
from ae_run.evaluation_config import RobustnessConfig
from ae_run.images import DeviceImages, pairs, to_uint8
from ae_run.meter import Meter, PerImage
from ae_run.models import Autoencoder
from ae_run.randomness import KeyedNoise
from ae_run.schema import CorruptionConfig

EXAMPLES = 6
OWN = "own"
"""Name of the curve of the run's own corruption."""
_MOST_WORK, _LEAST_IMAGES = 6e10, 500  # images times squared pixels of a curve: see `images_used`


def curves(config: Config) -> dict[str, RobustnessConfig]:
    """The curves to score, by name.

    Those of the config, and one of the run's own corruption around its own level, unless another
    curve has the same options.
    """
    found = dict(config.evaluate.robustness or {})
    own = config.corruption
    factors = config.evaluate.own_levels
    if factors and corruptions.level(own) > 0 and _curve_of(own, found) is None:
        levels = (factor * corruptions.level(own) for factor in factors)
        possible = tuple(level for level in dict.fromkeys(levels) if _in_bounds(own, level))
        if possible:
            found[OWN] = RobustnessConfig(corruption=own, levels=possible)
    return found


def _curve_of(own: CorruptionConfig, known: dict[str, RobustnessConfig]) -> str | None:
    """The curve whose corruption is `own`, except for the level."""
    for name, curve_config in known.items():
        other = curve_config.corruption
        if type(other) is type(own) and corruptions.at_level(other, corruptions.level(own)) == own:
            return name
    return None


def _in_bounds(corruption: CorruptionConfig, level: float) -> bool:
    try:
        corruptions.at_level(corruption, level)
    except ValidationError:
        return False
    return True


def images_used(count: int, pixels: int) -> int:
    """Of so many test images, the first ones that curves score: a few where images are large."""
    return min(count, max(_LEAST_IMAGES, round(_MOST_WORK / pixels**2)))


def curve(
    config: RobustnessConfig,
    model: Autoencoder,
    pca: Pca,
    images: DeviceImages,
    keys: Tensor,
    batch_size: int,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """One corruption's curve: scores of output and input per level, and example images.

    `images` and their `keys` are those that `images_used` says.

    Returns:
        Metrics: `level_name`, `levels`, and for each score a list over levels: of the model's
        output (`mse`, …), of the corrupted input itself (`input_mse`, …) and of the PCA baseline
        (`pca_mse`, …). Arrays: `inputs` and `outputs`, uint8 (levels, examples, C, H, W), and the
        `mse` of each image (levels, N).
    """
    functions = [
        corruptions.of_split(corruptions.at_level(config.corruption, level), images, keys)
        for level in config.levels
    ]
    meters = [Meter() for _ in functions]
    per_image = [PerImage(len(images)) for _ in functions]
    inputs, outputs, start = [], [], 0
    for batch in images.batches(batch_size):
        target = Target(batch)
        noise = KeyedNoise(keys[start : start + len(batch)])
        for corrupt, meter, errors in zip(functions, meters, per_image, strict=True):
            noise.rewind()  # the same random numbers at every level
            x_in = corrupt(target.images, noise)
            output = model.reconstruct(x_in)
            scores = target.scores(output)
            errors.add({"mse": scores["mse"]})
            meter.add(scores)
            meter.add({f"input_{name}": score for name, score in target.scores(x_in).items()})
            of_pca = target.scores(pca.reconstruct(x_in))
            meter.add({f"pca_{name}": score for name, score in of_pca.items()})
            if start == 0:
                inputs.append(to_uint8(x_in[:EXAMPLES]))
                outputs.append(to_uint8(output[:EXAMPLES]))
        start += len(batch)
    means = [meter.means() for meter in meters]
    metrics: dict[str, Any] = {
        "corruption": config.corruption.name,
        "level_name": corruptions.level_name(config.corruption),
        "levels": list(config.levels),
        "n": len(images),
    }
    for name in means[0]:
        metrics[name] = [mean[name] for mean in means]
    return metrics, {
        "inputs": np.stack(inputs),
        "outputs": np.stack(outputs),
        "mse": np.stack([errors.arrays()["mse"] for errors in per_image]),
    }


def denoising(
    config: Config, model: Autoencoder, pca: Pca, images: DeviceImages, keys: Tensor
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scores under the run's own corruption, at its own level.

    Returns:
        Metrics: scores of the corrupted `input`, of the model's `output` and of the `pca` baseline;
        `curve`, the name of the robustness curve over the same corruption's levels, or None.
        Arrays: `input_<score>` and `output_<score>` of each image (N,).
    """
    own, size = config.corruption, config.evaluate.batch_size
    meters = {"input": Meter(), "output": Meter(), "pca": Meter()}
    per_image = PerImage(len(images))
    for x_in, clean in pairs(images, corruptions.of_split(own, images, keys), keys, size):
        target = Target(clean)
        outputs = {"input": x_in, "output": model.reconstruct(x_in), "pca": pca.reconstruct(x_in)}
        for name, output in outputs.items():
            scores = target.scores(output)
            meters[name].add(scores)
            if name != "pca":
                per_image.add({f"{name}_{score}": values for score, values in scores.items()})
    metrics = {
        "corruption": own.name,
        "level_name": corruptions.level_name(own),
        "level": corruptions.level(own),
        "curve": _curve_of(own, curves(config)),
        "n": len(images),
        **{name: meter.means() for name, meter in meters.items()},
    }
    return metrics, per_image.arrays()
