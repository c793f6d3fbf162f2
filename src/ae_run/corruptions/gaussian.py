"""Additive Gaussian noise of a mean and a standard deviation, in units of the pixel range."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from ae_run.config import CorruptionConfig
from ae_run.randomness import Noise

LEVEL = "std"


class Config(CorruptionConfig):
    """Options; `clip` cuts the noisy image to [0, 1], and `mean: variance` is std²."""

    mean: float | Literal["variance"]
    std: Annotated[float, Field(ge=0)]
    clip: bool


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:
    """Each pixel plus its own N(mean, std²); at mean and std 0 the identity."""
    mean = config.std**2 if config.mean == "variance" else config.mean
    if config.std == 0 and mean == 0:
        return images
    noisy = images + mean + config.std * noise.normal(images, *images.shape[1:])
    return noisy.clamp(0, 1) if config.clip else noisy
