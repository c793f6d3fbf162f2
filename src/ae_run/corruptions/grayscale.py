"""Desaturation: a blend between the image and its luminance.

Three channels are taken as red, green and blue and weighted by ITU-R BT.601 luma, like Pillow's
mode L; any other number of channels is averaged. The number of channels stays the same, so that a
model can learn to colorize.
"""

from torch import Tensor

from ae_run.randomness import Noise
from ae_run.schema import CorruptionConfig, Fraction

LEVEL = "strength"


class Config(CorruptionConfig):
    """Options; `strength` is the share of grey in the blend."""

    strength: Fraction


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:  # noqa: ARG001
    """Desaturated images; the identity at strength 0 or with one channel, all grey at 1."""
    if config.strength == 0 or images.shape[1] == 1:
        return images
    # `lerp` is exact at both ends.
    return images.lerp(luminance(images).expand_as(images), config.strength)


def luminance(images: Tensor) -> Tensor:
    """Grey values of images (B, C, H, W): (B, 1, H, W)."""
    if images.shape[1] == 3:
        # Scalars rather than a weight tensor, which would have to be copied to the device.
        grey = 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]
    else:
        grey = images.mean(1, keepdim=True)
    # Rounding could push a mean out of its range: a grey pixel must stay as it is.
    return grey.clamp(images.amin(1, keepdim=True), images.amax(1, keepdim=True))
