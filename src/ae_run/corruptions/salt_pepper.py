"""Salt-and-pepper noise: pixels that turn black or white, each with probability one half."""

from torch import Tensor

from ae_run.randomness import Noise
from ae_run.schema import CorruptionConfig, Fraction

LEVEL = "fraction"


class Config(CorruptionConfig):
    """Options; `fraction` is the expected share of pixels that are hit."""

    fraction: Fraction


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:
    """Images with hit pixels at 0 or 1 in all channels; at fraction 0 the identity.

    One number u per pixel: black where u < fraction/2, white where u ≥ 1 − fraction/2. So a
    pixel that is hit at one fraction is hit, with the same colour, at every larger one.
    """
    u = noise.uniform(images, 1, *images.shape[2:])  # (B, 1, H, W)
    half = config.fraction / 2
    return images.masked_fill(u < half, 0.0).masked_fill(u >= 1 - half, 1.0)
