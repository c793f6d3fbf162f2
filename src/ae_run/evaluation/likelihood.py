"""Scores of models that bound log p(x): the test log-likelihood, and its note."""

from typing import Any

import numpy as np
import torch

from ae_run.config import Config
from ae_run.data import Images
from ae_run.headline import NO_DENSITY
from ae_run.images import DeviceImages
from ae_run.meter import PerImage
from ae_run.models import Autoencoder
from ae_run.progress import Parts
from ae_run.randomness import derive_seed


def log_likelihood(
    model: Autoencoder, images: DeviceImages, samples: int, config: Config, part: Parts
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Mean log p(x) of all images, in nats, and its standard error; empty without a density.

    Args:
        model: whose `log_likelihood` bounds the memory: it decodes few codes at a time.
        images: the test images, (N, C, H, W).
        samples: importance samples per image.
        config: of the run.
        part: shows how many images are done.

    Returns:
        The scores, and log p(x) of each image (N,).
    """
    torch.manual_seed(derive_seed(config.seed, "log-likelihood"))
    size, found = max(1, config.evaluate.batch_size // samples), PerImage(len(images))
    with part.bar_of(len(images), "images") as bar:
        for batch in images.batches(size):
            values = model.log_likelihood(batch, samples)
            if values is None:
                return {}, {}
            found.add({"scores_log_likelihood": values})
            bar.update(len(batch))
    arrays = found.arrays()
    each = torch.from_numpy(arrays["scores_log_likelihood"]).double()
    scores = {
        "log_likelihood": each.mean().item(),
        # The spread over images; a single image has none.
        "log_likelihood_se": (each.std() / len(each) ** 0.5).item() if len(each) > 1 else None,
        "log_likelihood_n": len(each),
        "log_likelihood_samples": samples,
    }
    return scores, arrays


def no_density(model: Autoencoder, images: Images) -> dict[str, str]:
    """The note `no_density` where the model's likelihood of uint8 images is no density."""
    if model.likelihood != "bernoulli":
        return {}
    if all(((block == 0) | (block == 255)).all() for block in images.blocks()):
        return {}
    return {"no_density": NO_DENSITY}
