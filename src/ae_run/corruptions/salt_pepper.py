"""Salt-and-pepper noise: random pixels turned black or white with equal probability."""

from torch import Tensor

from ae_run.randomness import Noise
from ae_run.schema import CorruptionConfig, Fraction

LEVEL = "fraction"


class Config(CorruptionConfig):
    """Options; `fraction` is the expected share of changed pixels."""

    fraction: Fraction


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:
    """Images with some pixels at 0 or 1 in all channels; the identity at fraction 0.

    One number u per pixel: black if u < fraction/2, white if u ≥ 1 − fraction/2. So a pixel
    changed at one fraction is changed to the same value at every larger one.
    """
    u = noise.uniform(images, 1, *images.shape[2:])  # (B, 1, H, W)
    half = config.fraction / 2
    return images.masked_fill(u < half, 0.0).masked_fill(u >= 1 - half, 1.0)
