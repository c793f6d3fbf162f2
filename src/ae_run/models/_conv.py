"""Convolutional trunks shared by the models.

Legend: B batch, C channels, H W pixels, d code size.

Encoder: [conv → norm → activation → pool → dropout]* → flatten → [linear → activation]* → d.
The decoder mirrors it with transposed convolutions; each undoes the exact size of its partner,
whatever the image's size.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from ae_run.config import DropoutRate, ModelConfig, Naturals, Positive, Positives
from ae_run.errors import UserError

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]


class ConvTrunkConfig(ModelConfig):
    """Options of a convolutional trunk; one entry per convolution in each list."""

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
    """Sizes of one convolution: input, after the convolution, after the pooling."""

    def __init__(self, size: tuple[int, int], k: int, stride: int, padding: int, pool: int) -> None:
        # A kernel larger than its padded input has no output; padding makes room for one.
        self.padding = max(padding, *((k - 1) // 2 if n + 2 * padding < k else 0 for n in size))
        self.before = size
        self.middle = tuple((n + 2 * self.padding - k) // stride + 1 for n in size)
        # In the last layers of small images there may be nothing left to pool.
        self.pool = pool if min(self.middle) >= pool else 1
        self.after = (self.middle[0] // self.pool, self.middle[1] // self.pool)
        if min(self.middle) < 1:
            raise UserError(
                f"model.kernel={k}: too large for a feature map of {size[0]}×{size[1]} pixels; "
                "choose a smaller kernel or fewer convolutions"
            )

    def output_padding(self, k: int, stride: int) -> tuple[int, int]:
        """What a transposed convolution must add to get back to exactly `before`."""
        h, w = (
            n - ((m - 1) * stride - 2 * self.padding + k)
            for n, m in zip(self.before, self.middle, strict=True)
        )
        return h, w


def _layers(config: ConvTrunkConfig, image_shape: tuple[int, int, int]) -> list[_Layer]:
    size = image_shape[1:]
    layers = []
    for stride, padding, pool in zip(config.strides, config.paddings, config.pools, strict=True):
        layers.append(_Layer(size, config.kernel, stride, padding, pool))
        size = layers[-1].after
    return layers


def _activation(config: ConvTrunkConfig) -> nn.Module:
    return ACTIVATIONS[config.activation]()


def _dropout(p: float) -> list[nn.Module]:
    return [nn.Dropout(p)] if p > 0 else []


def encoder(
    config: ConvTrunkConfig, image_shape: tuple[int, int, int], outputs: int
) -> nn.Sequential:
    """Images (B, C, H, W) → (B, outputs)."""
    modules: list[nn.Module] = []
    channels = image_shape[0]
    layers = _layers(config, image_shape)
    for width, stride, layer in zip(config.channels, config.strides, layers, strict=True):
        modules.append(nn.Conv2d(channels, width, config.kernel, stride, layer.padding))
        if config.batch_norm:
            modules.append(nn.BatchNorm2d(width))
        modules.append(_activation(config))
        if layer.pool > 1:
            modules.append(nn.MaxPool2d(layer.pool))
        modules += _dropout(config.dropout)
        channels = width
    modules += [nn.Flatten(), *_dropout(config.flat_dropout)]
    h, w = layers[-1].after
    modules += _linear(config, [channels * h * w, *config.widths])
    modules.append(nn.Linear((channels * h * w, *config.widths)[-1], outputs))
    return nn.Sequential(*modules)


def decoder(config: ConvTrunkConfig, image_shape: tuple[int, int, int]) -> nn.Sequential:
    """Codes (B, d) → logits of the pixels (B, C, H, W)."""
    layers = _layers(config, image_shape)
    h, w = layers[-1].after
    widths = [config.latent_dim, *reversed(config.widths), config.channels[-1] * h * w]
    modules = _linear(config, widths)
    modules += [*_dropout(config.flat_dropout), nn.Unflatten(1, (config.channels[-1], h, w))]
    outputs = [image_shape[0], *config.channels[:-1]]
    rows = zip(config.channels, outputs, config.strides, layers, strict=True)
    for i, (width, out, stride, layer) in reversed(list(enumerate(rows))):
        if layer.pool > 1:
            modules.append(nn.Upsample(size=layer.middle))
        extra = layer.output_padding(config.kernel, stride)
        modules.append(nn.ConvTranspose2d(width, out, config.kernel, stride, layer.padding, extra))
        if i > 0:
            if config.batch_norm:
                modules.append(nn.BatchNorm2d(out))
            modules += [_activation(config), *_dropout(config.dropout)]
    return nn.Sequential(*modules)


def _linear(config: ConvTrunkConfig, widths: Sequence[int]) -> list[nn.Module]:
    """Hidden fully connected layers: linear → activation → dropout, from width to width."""
    modules: list[nn.Module] = []
    for before, after in pairwise(widths):
        modules += [nn.Linear(before, after), _activation(config), *_dropout(config.dropout)]
    return modules


def run(trunk: nn.Sequential, x: Tensor) -> Tensor:
    """Apply a trunk; typed."""
    output: Tensor = trunk(x)
    return output
