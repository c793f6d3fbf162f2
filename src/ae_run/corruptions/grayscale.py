"""Colours taken out: a blend from the image to its luminance.

Three channels are read as red, green and blue and weighted by ITU-R BT.601 luma, as Pillow's
mode L is; any other number of channels is averaged. The channels stay as many, so that a model
can learn to colour.
"""

from torch import Tensor

from ae_run.randomness import Noise
from ae_run.schema import CorruptionConfig, Fraction

LEVEL = "strength"


class Config(CorruptionConfig):
    """Options; `strength` is the share of grey in the blend."""

    strength: Fraction


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:  # noqa: ARG001
    """Greyer images; at strength 0, and with one channel, the identity; at 1 all grey."""
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
    # A mean lies between what it averages, but for rounding: a grey pixel stays what it is.
    return grey.clamp(images.amin(1, keepdim=True), images.amax(1, keepdim=True))
