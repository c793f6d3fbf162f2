"""Contractive autoencoder: penalizes codes that change much when the image changes a little.

Legend: B batch, C channels, H W pixels, d code size; f the encoder, J = ∂f/∂x its Jacobian.

Any trunk, convolutional or dense, with the loss MSE + λ·penalty, taken at the (corrupted) input.
- `jacobian`: ‖J(x)‖²_F, exact (Rifai et al. 2011, "Contractive auto-encoders: explicit
  invariance during feature extraction").
- `hutchinson`: E‖vᵀJ(x)‖² over random signs v, an unbiased estimate of the same from k probes
  (Hutchinson 1990): k backward passes, where the exact penalty takes d.
- `weights`: ‖W_L ⋯ W_1‖_F of the dense encoder's weight matrices, not squared, as in the zoo
  report: the norm of J if there were no activations.

An encoder can make any penalty small by shrinking the code, which its decoder scales up again; the
paper ties the weights to prevent that. Here `train.weight_decay` has to.
"""

from functools import reduce
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from ae_run.models import _conv, _trunk
from ae_run.models._activations import Activation, activation
from ae_run.models._base import (
    Autoencoder,
    LossTerms,
    OutputBias,
    at_least_float32,
    reconstruction_terms,
)
from ae_run.schema import Positive


class Config(_trunk.TrunkConfig):
    """Options, documented in `conf/model/contractive.yaml`."""

    code_activation: Activation | None
    penalty: Literal["jacobian", "hutchinson", "weights"]
    penalty_weight: Annotated[float, Field(ge=0)]
    probes: Positive
    output_bias: OutputBias

    @model_validator(mode="after")
    def _defined(self) -> "Config":
        if self.penalty == "weights" and self.trunk != "dense":
            raise ValueError(
                "model.penalty=weights: needs a dense trunk, since it multiplies weight matrices; "
                "choose model.trunk=dense, or model.penalty=jacobian or hutchinson"
            )
        if self.penalty != "weights" and self.batch_norm:
            raise ValueError(
                f"model.penalty={self.penalty}: with model.batch_norm=true a code depends on the "
                "whole batch, so no image has a Jacobian of its own; set model.batch_norm=false"
            )
        return self


class Model(Autoencoder):
    """(B, C, H, W) → code (B, d) → (B, C, H, W)."""

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(config, image_shape)
        self.encoder = _trunk.encoder(config, image_shape, config.latent_dim)
        self.encoder.extend(activation(config.code_activation))
        self.decoder = _trunk.decoder(config, image_shape)
        self._config = config

    @property
    def batchable(self) -> bool:
        """See `Autoencoder`; the penalty takes gradients inside the loss."""
        return False

    def encode(self, x: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return _conv.run(self.encoder, x)

    def decode_logits(self, z: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return _conv.run(self.decoder, z)

    def loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        """See `Autoencoder`; the code and its Jacobian share one dropout mask."""
        x_in = x_in.detach().requires_grad_(self._config.penalty != "weights")
        z = self.encode(x_in)
        mse = reconstruction_terms("mse", self.decode_logits(z), target).total
        match self._config.penalty:
            case "jacobian":
                penalty = jacobian_penalty(x_in, z)
            case "hutchinson":
                penalty = hutchinson_penalty(x_in, z, self._config.probes)
            case "weights":
                penalty = weights_penalty(self.encoder).expand(len(z))
        total = mse + self._config.penalty_weight * penalty
        return LossTerms(total, {"mse": mse, "penalty": penalty})

    def scores(self, x_in: Tensor, target: Tensor) -> dict[str, Tensor]:
        """See `Autoencoder`; with the gradient-free penalty `weights` also the total `loss`."""
        found = super().scores(x_in, target)
        if self._config.penalty == "weights":
            penalty = self._config.penalty_weight * weights_penalty(self.encoder)
            found["loss"] = found["mse"] + penalty
        return found

    def weights_penalty(self) -> Tensor | None:
        """See `Autoencoder`: the penalty `weights` of any dense trunk."""
        return weights_penalty(self.encoder) if self._config.trunk == "dense" else None

    def score_names(self) -> set[str]:
        """See `Autoencoder`."""
        return {"mse", "loss"} if self._config.penalty == "weights" else {"mse"}


def jacobian_penalty(x: Tensor, z: Tensor) -> Tensor:
    """‖∂z/∂x‖²_F per image, differentiable: x (B, C, H, W), its codes z (B, d) → (B,).

    An image's code must not depend on other images.
    """
    b, d = z.shape
    units = torch.eye(d, dtype=z.dtype, device=z.device)[:, None, :].expand(d, b, d)
    return _squared_products(x, z, units).sum(0)


def hutchinson_penalty(x: Tensor, z: Tensor, probes: int) -> Tensor:
    """An unbiased estimate of `jacobian_penalty` from random probes: → (B,)."""
    signs = torch.randint(0, 2, (probes, *z.shape), device=z.device).to(z.dtype) * 2 - 1
    return _squared_products(x, z, signs).mean(0)


def weights_penalty(encoder: nn.Sequential) -> Tensor:
    """‖W_L ⋯ W_1‖_F of a dense encoder's linear layers: a scalar."""
    weights = [layer.weight for layer in encoder if isinstance(layer, nn.Linear)]
    norm: Tensor = at_least_float32(reduce(lambda below, above: above @ below, weights)).norm()
    return norm


def _squared_products(x: Tensor, z: Tensor, vectors: Tensor) -> Tensor:
    """‖vᵀJ‖² for k vectors v (k, B, d) at once: → (k, B)."""
    (products,) = torch.autograd.grad(z, x, vectors, create_graph=True, is_grads_batched=True)
    return at_least_float32(products).square().flatten(2).sum(2)
