"""Convolutional trunks shared by the models.

Legend: B batch, C channels, H W pixels, d code size.

Encoder: [conv → norm → activation → pool → dropout]* → flatten → [linear → activation]* → d.
The decoder mirrors it with one transposed convolution per convolution; each restores exactly the
input size of its counterpart, pooling included, for any image size.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from pydantic import Field, model_validator
from torch import Tensor, nn

from ae_run.models._activations import Activation, activation
from ae_run.models._draws import Dropout
from ae_run.schema import DropoutRate, ModelConfig, Naturals, Positive, Positives


class ConvTrunkConfig(ModelConfig):
    """Options of a convolutional trunk; each list has one entry per convolution."""

    channels: Annotated[Positives, Field(min_length=1)]
    kernel: Positive
    strides: Positives
    paddings: Naturals
    pools: Positives
    widths: Positives
    activation: Activation
    dropout: DropoutRate
    flat_dropout: DropoutRate
    batch_norm: bool

    @model_validator(mode="after")
    def _lengths(self) -> "ConvTrunkConfig":
        for name in ("strides", "paddings", "pools"):
            values = getattr(self, name)
            if len(values) != len(self.channels):
                raise ValueError(
                    f"model.{name}={list(values)}: must have one entry per convolution, "
                    f"{len(self.channels)} as in model.channels={list(self.channels)}"
                )
        return self


class _Layer:
    """The geometry of one convolution: its input size, and its size after pooling."""

    def __init__(
        self, size: tuple[int, int], kernel: int, stride: int, padding: int, pool: int
    ) -> None:
        self.kernel, self.stride = kernel, stride
        # A kernel larger than its padded input has no output; more padding makes room for one.
        room = (kernel // 2 if n + 2 * padding < kernel else 0 for n in size)
        self.padding = max(padding, *room)
        self.before = size
        h, w = ((n + 2 * self.padding - kernel) // stride + 1 for n in size)
        # The last feature maps of small images may be too small to pool.
        self.pool = pool if min(h, w) >= pool else 1
        self.after = (h // self.pool, w // self.pool)

    def transposed(self, inputs: int, outputs: int) -> nn.ConvTranspose2d:
        """The transposed convolution from size `after` back to exactly `before`."""
        step = self.stride * self.pool
        # The span that the last position must produce for the sizes to match.
        h, w = (n - (m - 1) * step for n, m in zip(self.before, self.after, strict=True))
        if self.pool == 1:
            extra = h + 2 * self.padding - self.kernel, w + 2 * self.padding - self.kernel
            return nn.ConvTranspose2d(
                inputs, outputs, self.kernel, self.stride, self.padding, extra
            )
        # Undoes pooling and convolution at once, with a kernel as wide as the step, as in the
        # zoo report's code (2×2 with stride 2; 3×3 for an odd size).
        pads = tuple(max(0, math.ceil((step - span) / 2)) for span in (h, w))
        kernel = h + 2 * pads[0], w + 2 * pads[1]
        return nn.ConvTranspose2d(inputs, outputs, kernel, step, (pads[0], pads[1]))


def _layers(config: ConvTrunkConfig, image_shape: tuple[int, int, int]) -> list[_Layer]:
    size = image_shape[1:]
    layers = []
    for stride, padding, pool in zip(config.strides, config.paddings, config.pools, strict=True):
        layers.append(_Layer(size, config.kernel, stride, padding, pool))
        size = layers[-1].after
    return layers


def _dropout(p: float) -> list[nn.Module]:
    return [Dropout(p)] if p > 0 else []


def feature_shape(
    config: ConvTrunkConfig, image_shape: tuple[int, int, int]
) -> tuple[int, int, int]:
    """The shape (C, H, W) of the last feature map."""
    return (config.channels[-1], *_layers(config, image_shape)[-1].after)


def encoder(
    config: ConvTrunkConfig, image_shape: tuple[int, int, int], outputs: int | None
) -> nn.Sequential:
    """Images (B, C, H, W) → (B, outputs); None: the flattened feature map, no linear layers."""
    modules: list[nn.Module] = []
    inputs = image_shape[0]
    for width, layer in zip(config.channels, _layers(config, image_shape), strict=True):
        modules.append(nn.Conv2d(inputs, width, layer.kernel, layer.stride, layer.padding))
        if config.batch_norm:
            modules.append(nn.BatchNorm2d(width))
        modules += activation(config.activation)
        if layer.pool > 1:
            modules.append(nn.MaxPool2d(layer.pool))
        modules += _dropout(config.dropout)
        inputs = width
    modules += [nn.Flatten(), *_dropout(config.flat_dropout)]
    if outputs is not None:
        sizes = [math.prod(feature_shape(config, image_shape)), *config.widths]
        modules += [*hidden(config, sizes), nn.Linear(sizes[-1], outputs)]
    return nn.Sequential(*modules)


def decoder(
    config: ConvTrunkConfig, image_shape: tuple[int, int, int], linear: bool = True
) -> nn.Sequential:
    """Codes (B, d) → pixel logits (B, C, H, W); without `linear`, codes are flat feature maps."""
    modules: list[nn.Module] = []
    shape = feature_shape(config, image_shape)
    if linear:
        modules += hidden(config, [config.latent_dim, *reversed(config.widths), math.prod(shape)])
    modules += [*_dropout(config.flat_dropout), nn.Unflatten(1, shape)]
    outputs = [image_shape[0], *config.channels[:-1]]
    rows = zip(config.channels, outputs, _layers(config, image_shape), strict=True)
    for i, (width, out, layer) in reversed(list(enumerate(rows))):
        modules.append(layer.transposed(width, out))
        if i > 0:
            if config.batch_norm:
                modules.append(nn.BatchNorm2d(out))
            modules += [*activation(config.activation), *_dropout(config.dropout)]
    return nn.Sequential(*modules)


def hidden(config: ConvTrunkConfig, sizes: Sequence[int]) -> list[nn.Module]:
    """Fully connected hidden layers, linear → activation → dropout, between successive sizes."""
    modules: list[nn.Module] = []
    for before, after in pairwise(sizes):
        modules += [nn.Linear(before, after), *activation(config.activation)]
        modules += _dropout(config.dropout)
    return modules


def run(trunk: nn.Sequential, x: Tensor) -> Tensor:
    """Apply a trunk, with a typed result."""
    output: Tensor = trunk(x)
    return output
