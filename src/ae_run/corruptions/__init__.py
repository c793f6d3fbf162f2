"""Corruptions of images, one file each.

Contract of a corruption file: `Config`, a `CorruptionConfig`; `LEVEL`, the name of the option that
sets its strength, where 0 is the identity; and `corrupt(config, images, noise) -> images`, a
tensor operation on a whole batch (B, C, H, W) in [0, 1] that takes all its random numbers from
`noise`. It neither changes `images` in place nor reads a value back from the device, so that it
can be part of a CUDA graph; and it draws the same numbers at every level above 0, so that levels
are paired. A corruption belongs to the training step, not to the data: corrupted input, clean
target. Two optional options mean the same everywhere: with `fixed`, an image keeps its noise from
epoch to epoch; with `rescale`, each split is mapped to [0, 1] by its own extremes.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from ae_run import components
from ae_run.randomness import KeyedNoise, Noise
from ae_run.schema import CorruptionConfig

if TYPE_CHECKING:
    from ae_run.images import DeviceImages

Corrupt = Callable[[Tensor, Noise], Tensor]
_ROWS = 1024


def build(config: CorruptionConfig) -> Corrupt:
    """The corruption as a function of images (B, C, H, W) and a source of noise."""
    corrupt = components.module("corruption", config.name).corrupt
    return lambda images, noise: corrupt(config, images, noise)


def of_split(config: CorruptionConfig, images: "DeviceImages", keys: Tensor) -> Corrupt:
    """`build` for the images of one split, whose extremes are measured if `rescale` is set.

    Args:
        config: of the corruption.
        images: the split, (N, C, H, W).
        keys: of its images, (N,); the noise derives from them.
    """
    corrupt = build(config)
    if not getattr(config, "rescale", False) or level(config) == 0:
        return corrupt
    low, high = math.inf, -math.inf
    for start in range(0, len(images), _ROWS):
        rows = slice(start, start + _ROWS)
        noisy = corrupt(images.slice(rows.start, rows.stop), KeyedNoise(keys[rows]))
        low, high = min(low, float(noisy.min())), max(high, float(noisy.max()))
    return lambda x, noise: (corrupt(x, noise) - low) / (high - low)


def is_fixed(config: CorruptionConfig) -> bool:
    """Whether a training image keeps its noise from epoch to epoch."""
    return bool(getattr(config, "fixed", False))


def level_name(config: CorruptionConfig) -> str:
    """The name of the option that sets this corruption's strength."""
    name: str = components.module("corruption", config.name).LEVEL
    return name


def level(config: CorruptionConfig) -> float:
    """This corruption's strength; 0 for `none`, which has no such option."""
    return float(getattr(config, level_name(config), 0.0))


def at_level(config: CorruptionConfig, level: float) -> CorruptionConfig:
    """The same corruption at another strength; `none` has no strength and stays as it is.

    Raises:
        ValidationError: the level is out of the option's bounds.
    """
    name = level_name(config)
    if not hasattr(config, name):
        return config
    return type(config).model_validate({**dict(config), name: level})
