"""No corruption: the input is the clean image."""

from torch import Tensor

from ae_run.randomness import Noise
from ae_run.schema import CorruptionConfig

LEVEL = "level"


class Config(CorruptionConfig):
    """No options."""


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:  # noqa: ARG001
    """The identity."""
    return images
