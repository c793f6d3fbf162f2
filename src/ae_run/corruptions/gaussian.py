"""Additive Gaussian noise; mean and standard deviation are in units of the pixel range."""

from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import Tensor

from ae_run.randomness import Noise
from ae_run.schema import CorruptionConfig

LEVEL = "std"


class Config(CorruptionConfig):
    """Options, documented in `conf/corruption/gaussian.yaml`."""

    mean: float | Literal["variance"]
    std: Annotated[float, Field(ge=0)]
    clip: bool
    fixed: bool
    rescale: bool

    @model_validator(mode="after")
    def _one_range(self) -> "Config":
        if self.rescale and (self.clip or not self.fixed):
            raise ValueError(
                "corruption.rescale=true: measures the noisy images of a whole split and needs "
                "corruption.fixed=true and corruption.clip=false"
            )
        return self


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:
    """Each pixel plus its own N(mean, std²); the identity at std 0, whatever the mean."""
    if config.std == 0:
        return images
    mean = config.std**2 if config.mean == "variance" else config.mean
    noisy = images + mean + config.std * noise.normal(images, *images.shape[1:])
    return noisy.clamp(0, 1) if config.clip else noisy
