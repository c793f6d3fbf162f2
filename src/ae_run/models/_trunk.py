"""Convolutional or dense trunks, for models that accept either.

Legend: B batch, C channels, H W pixels, d code size.

A dense trunk is flatten → [linear → activation → dropout]* → d, and its mirror image.
"""

import math
from typing import Literal

from pydantic import model_validator
from torch import nn

from ae_run.models import _conv


class TrunkConfig(_conv.ConvTrunkConfig):
    """Options of a trunk; a dense one uses only `widths`, `activation` and `dropout`."""

    trunk: Literal["conv", "dense"]

    @model_validator(mode="after")
    def _only_for_convolutions(self) -> "TrunkConfig":
        for name in ("batch_norm", "flat_dropout"):
            if self.trunk == "dense" and getattr(self, name):
                raise ValueError(
                    f"model.{name}={str(getattr(self, name)).lower()}: only for convolutions; "
                    f"with model.trunk=dense it must be {'false' if name == 'batch_norm' else 0}"
                )
        return self


def encoder(config: TrunkConfig, image_shape: tuple[int, int, int], outputs: int) -> nn.Sequential:
    """Images (B, C, H, W) → (B, outputs)."""
    if config.trunk == "conv":
        return _conv.encoder(config, image_shape, outputs)
    sizes = [math.prod(image_shape), *config.widths]
    return nn.Sequential(nn.Flatten(), *_conv.hidden(config, sizes), nn.Linear(sizes[-1], outputs))


def decoder(config: TrunkConfig, image_shape: tuple[int, int, int]) -> nn.Sequential:
    """Codes (B, d) → pixel logits (B, C, H, W)."""
    if config.trunk == "conv":
        return _conv.decoder(config, image_shape)
    sizes = [config.latent_dim, *reversed(config.widths)]
    return nn.Sequential(
        *_conv.hidden(config, sizes),
        nn.Linear(sizes[-1], math.prod(image_shape)),
        nn.Unflatten(1, image_shape),
    )
