"""k-sparse autoencoder: one hidden layer, of whose units only the k largest stay active.

Legend: B batch, C channels, H W pixels, d code size, k active units.

z = E·x + b, of which the k largest values are kept and the others set to zero; x̂ = D·z + c,
linear, with D = Eᵀ if `tied`; the loss is the squared error (Makhzani and Frey 2014, "k-sparse
autoencoders"). As in the paper, k may start larger and fall linearly (`start_factor`,
`anneal_steps`), so that every unit has learned something before only the best are kept; and outside
of training α·k units stay active (`test_factor`).
"""

import math
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from ae_run.models._base import Autoencoder, LossTerms, mse
from ae_run.schema import ModelConfig, Positive


class Config(ModelConfig):
    """Options, documented in `conf/model/sparse.yaml`."""

    active: Positive
    test_factor: Annotated[float, Field(ge=1)]
    start_factor: Annotated[float, Field(ge=1)]
    anneal_steps: Annotated[int, Field(ge=0)]
    tied: bool

    @model_validator(mode="after")
    def _fits_into_the_code(self) -> "Config":
        if self.active > self.latent_dim:
            raise ValueError(
                f"model.active={self.active}: must be at most model.latent_dim={self.latent_dim}, "
                "the number of hidden units"
            )
        return self


class Model(Autoencoder):
    """(B, C, H, W) → code (B, d) with k nonzero values → (B, C, H, W)."""

    steps: Tensor
    """Training steps taken: how far k has fallen."""

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(config, image_shape)
        pixels = math.prod(image_shape)
        self.encoder = nn.Linear(pixels, config.latent_dim)
        self.decoder = nn.Linear(config.latent_dim, pixels)
        if config.tied:
            # Only the encoder owns the tensor: a weights file must not hold it twice.
            self.decoder.register_parameter("weight", None)
        self.register_buffer("steps", torch.tensor(0))
        self._config = config

    @property
    def active_dim(self) -> int:
        """See `Autoencoder`: α·k."""
        return self._times(self._config.test_factor)

    def encode(self, x: Tensor) -> Tensor:
        """See `Autoencoder`."""
        z: Tensor = self.encoder(x.flatten(1))
        if not self.training:
            return largest(z, self.active_dim)
        if self._config.anneal_steps == 0:
            return largest(z, self._config.active)
        return largest(z, self._times(self._config.start_factor), self._active_in_training())

    def decode(self, z: Tensor) -> Tensor:
        """See `Autoencoder`; the linear output is clipped to [0, 1]."""
        return self._linear(z).clamp(0, 1)

    def loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        """See `Autoencoder`; the squared error of the output before it is clipped."""
        value = mse(self._linear(self.encode(x_in)), target)
        if self.training:
            self.steps += 1
        return LossTerms(value, {"mse": value})

    def _times(self, factor: float) -> int:
        return min(round(factor * self._config.active), self.latent_dim)

    def _active_in_training(self) -> Tensor:
        """The k of this step, a scalar."""
        start, end = self._times(self._config.start_factor), self._config.active
        left = (1 - self.steps / self._config.anneal_steps).clamp(min=0)
        return (end + (start - end) * left).round()

    def _linear(self, z: Tensor) -> Tensor:
        weight = self.encoder.weight.T if self._config.tied else self.decoder.weight
        return F.linear(z, weight, self.decoder.bias).view(-1, *self.image_shape)


def largest(z: Tensor, at_most: int, k: Tensor | None = None) -> Tensor:
    """The k largest values of each code (B, d) in their places, zeros elsewhere: (B, d).

    `k`: a scalar of at most `at_most`, which is its default. As a tensor it may change in a
    recorded CUDA graph and differ between replicas.
    """
    values, places = z.topk(at_most, dim=1)
    if k is not None:
        values = values * (torch.arange(at_most, device=z.device) < k)
    return torch.zeros_like(z).scatter(1, places, values)
