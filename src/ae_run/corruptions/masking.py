"""Random pixels set to a constant: the "masking noise" of denoising autoencoders.

Vincent et al. 2010, "Stacked denoising autoencoders", section 3.3.
"""

from torch import Tensor

from ae_run.randomness import Noise
from ae_run.schema import CorruptionConfig, Fraction

LEVEL = "fraction"


class Config(CorruptionConfig):
    """Options; `fraction` is the expected share of pixels that are set to `value`."""

    fraction: Fraction
    value: Fraction


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:
    """Images with pixels masked in all channels; the identity at fraction 0, all `value` at 1.

    A pixel that is masked at one fraction is masked at every larger one.
    """
    u = noise.uniform(images, 1, *images.shape[2:])  # (B, 1, H, W)
    return images.masked_fill(u < config.fraction, config.value)
