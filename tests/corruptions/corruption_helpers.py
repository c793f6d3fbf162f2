"""Corruptions as their YAML files configure them, images to corrupt, and noise to do it with."""

import torch
from helpers import configs
from torch import Tensor

from ae_run import components, corruptions
from ae_run.randomness import GeneratorNoise, KeyedNoise
from ae_run.schema import CorruptionConfig

NAMES = list(components.options("corruption"))
SHAPES = [(1, 28, 28), (3, 28, 28), (1, 8, 8), (3, 20, 23)]


def configured(name: str, *overrides: str) -> CorruptionConfig:
    """The corruption of `conf/corruption/<name>.yaml`."""
    return configs.configured(f"corruption={name}", *overrides).corruption


def some_images(
    shape: tuple[int, int, int], n: int = 7, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Images (n, C, H, W) in [0, 1], black and white pixels among them."""
    source = torch.Generator().manual_seed(1)
    return torch.rand(n, *shape, generator=source, dtype=dtype).mul(1.4).sub(0.2).clamp(0, 1)


def some_keys(n: int = 7) -> Tensor:
    return torch.randint(2**62, (n,), generator=torch.Generator().manual_seed(2))


def keyed(n: int = 7) -> KeyedNoise:
    return KeyedNoise(some_keys(n))


def drawn(seed: int = 0) -> GeneratorNoise:
    return GeneratorNoise(torch.Generator().manual_seed(seed))


def apply(config: CorruptionConfig, images: Tensor, noise=None) -> Tensor:
    return corruptions.build(config)(images, noise or keyed(len(images)))
