"""A square patch of a constant value in each image.

The patch covers the given share of the image's area, its side rounded to whole pixels, and lies
entirely inside the image; a square larger than the shorter side becomes a rectangle that spans
that side.
"""

from typing import Literal

import torch
from torch import Tensor

from ae_run.randomness import Noise
from ae_run.schema import CorruptionConfig, Fraction

LEVEL = "fraction"


class Config(CorruptionConfig):
    """Options; `fraction` is a share of the area."""

    fraction: Fraction
    position: Literal["random", "centre"]
    value: Fraction


def patch_size(fraction: float, height: int, width: int) -> tuple[int, int]:
    """Height and width, in pixels, of the patch that covers `fraction` of an image."""
    area = fraction * height * width
    side = round(area**0.5)
    if side <= min(height, width):
        return side, side
    short = min(height, width)
    long = min(round(area / short), max(height, width))
    return (short, long) if height <= width else (long, short)


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:
    """Images with patches; the identity at fraction 0."""
    height, width = images.shape[2:]
    h, w = patch_size(config.fraction, height, width)
    if config.position == "random":
        at = noise.uniform(images, 2)  # (B, 2)
    else:
        at = images.new_full((len(images), 2), 0.5)
    if h == 0 or w == 0:
        return images  # after drawing, so that later steps of a chain draw the same numbers
    top = (at[:, 0] * (height - h + 1)).floor().clamp(max=height - h)
    left = (at[:, 1] * (width - w + 1)).floor().clamp(max=width - w)
    inside = _inside(top, h, height)[:, :, None] & _inside(left, w, width)[:, None, :]
    return images.masked_fill(inside[:, None], config.value)


def _inside(start: Tensor, length: int, total: int) -> Tensor:
    """Which of `total` pixels lie in [start, start + length): (B,) → (B, total)."""
    pixel = torch.arange(total, device=start.device)[None, :] - start[:, None]
    return (pixel >= 0) & (pixel < length)
