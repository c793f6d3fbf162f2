"""Corruptions as their YAML files configure them, and images that they are applied to."""

from helpers import configs
from torch import Tensor

from ae_run import components, corruptions
from ae_run.schema import CorruptionConfig
from ae_run.testing.corruptions import keyed

NAMES = list(components.options("corruption"))
SHAPES = [(1, 28, 28), (3, 28, 28), (1, 8, 8), (3, 20, 23)]


def configured(name: str, *overrides: str) -> CorruptionConfig:
    """The corruption of `conf/corruption/<name>.yaml`."""
    return configs.configured(f"corruption={name}", *overrides).corruption


def apply(config: CorruptionConfig, images: Tensor, noise=None) -> Tensor:
    return corruptions.build(config)(images, noise or keyed(len(images)))
