"""Convolutional autoencoder.

Legend: B batch, C channels, H W pixels, d code size.

The default is the lab net that two of the student reports train: conv 8-16-32 (3×3, stride 2;
padding 1, 1, 0) → 288 → 64 → d and back, with a sigmoid at the end. `conf/experiment/` sets the
options for the nets of the other reports. Masci et al. 2011, "Stacked convolutional auto-encoders
for hierarchical feature extraction".
"""

import math
from typing import Literal

from pydantic import model_validator
from torch import Tensor

from ae_run.errors import UserError
from ae_run.models import _conv
from ae_run.models._activations import Activation, activation
from ae_run.models._base import Autoencoder, LossTerms, OutputBias, reconstruction_terms


class Config(_conv.ConvTrunkConfig):
    """Options, documented in `conf/model/conv_ae.yaml`."""

    code_activation: Activation | None
    flat_code: bool
    loss: Literal["mse", "bce"]
    output_bias: OutputBias

    @model_validator(mode="after")
    def _no_linear_layers(self) -> "Config":
        if self.flat_code and self.widths:
            raise ValueError(
                f"model.widths={list(self.widths)}: must be [] with model.flat_code=true, which "
                "leaves no linear layers"
            )
        return self


class Model(Autoencoder):
    """(B, C, H, W) → code (B, d) → (B, C, H, W)."""

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(config, image_shape)
        if config.flat_code:
            _check_code_size(config, image_shape)
        outputs = None if config.flat_code else config.latent_dim
        self.encoder = _conv.encoder(config, image_shape, outputs)
        self.encoder.extend(activation(config.code_activation))
        self.decoder = _conv.decoder(config, image_shape, linear=not config.flat_code)
        self._loss = config.loss

    def encode(self, x: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return _conv.run(self.encoder, x)

    def decode_logits(self, z: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return _conv.run(self.decoder, z)

    def loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        """See `Autoencoder`."""
        return reconstruction_terms(self._loss, self.decode_logits(self.encode(x_in)), target)


def _check_code_size(config: Config, image_shape: tuple[int, int, int]) -> None:
    shape = _conv.feature_shape(config, image_shape)
    if config.latent_dim != math.prod(shape):
        raise UserError(
            f"model.latent_dim={config.latent_dim}: must be {math.prod(shape)} with "
            f"model.flat_code=true, the size of the {'×'.join(map(str, shape))} feature map"
        )
