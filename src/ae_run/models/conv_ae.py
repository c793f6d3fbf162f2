"""Convolutional autoencoder.

Legend: B batch, C channels, H W pixels, d code size.

The default is the lab net, conv 8-16-32 (3×3, stride 2; padding 1, 1, 0) → 288 → 64 → d and
back with a sigmoid at the end, which three of the student reports train. Other options give the
others' nets; see `conf/experiment/`. For the idea: Masci et al. 2011, "Stacked convolutional
auto-encoders for hierarchical feature extraction".
"""

from typing import Literal

from torch import Tensor

from ae_run.models import _conv
from ae_run.models._base import Autoencoder, LossTerms, reconstruction_terms


class Config(_conv.ConvTrunkConfig):
    """Options; `conf/model/conv_ae.yaml` says what each means."""

    code_activation: _conv.Activation | None
    loss: Literal["mse", "bce"]


class Model(Autoencoder):
    """(B, C, H, W) → code (B, d) → (B, C, H, W)."""

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(config, image_shape)
        self.encoder = _conv.encoder(config, image_shape, config.latent_dim)
        if config.code_activation is not None:
            self.encoder.append(_conv.ACTIVATIONS[config.code_activation]())
        self.decoder = _conv.decoder(config, image_shape)
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
