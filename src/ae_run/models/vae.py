"""Variational autoencoder.

Legend: B batch, C channels, H W pixels, d code size, K samples.

x → trunk → (mu, logvar), each (B, d); z = mu + exp(logvar / 2)·ε; z → mirrored trunk → pixels
(Kingma and Welling 2014, "Auto-encoding variational Bayes"). The notmnist report's net is
conv 200-400 (4×4, stride 2) with dropout 0.3; the trunk may also be dense.

The loss is −log p(x|z) + β·KL(q(z|x) ‖ N(0, I)) in nats per image, the negative ELBO at β = 1.
`bernoulli`: −log p, the term `bce`, is the binary cross-entropy. `gaussian`: pixels are N(x̂, σ²)
with σ² = `variance`, and −log p, the term `nll`, is Σ(x − x̂)²/2σ² + n/2·log 2πσ² over the n
pixels; at σ² = ½ it is the summed squared error plus a constant, which makes the loss the
colored report's "MSE + KL". β ≠ 1: Higgins et al. 2017, "beta-VAE". Free bits: Kingma et al.
2016, "Improved variational inference with inverse autoregressive flow", equation 15.
"""

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ae_run.models import _conv, _trunk
from ae_run.models._base import (
    Autoencoder,
    LossTerms,
    OutputBias,
    at_least_float32,
    bce_with_logits,
    mse,
)
from ae_run.models._draws import normal_like

LOGVAR_RANGE = (-10.0, 10.0)
"""Log-variances are clamped to this range, so that no exponential overflows: standard deviations
from 0.007 to 148. Outside of it their gradient is zero."""
_ROWS = 4096
"""Images that `log_likelihood` decodes at once."""


class Config(_trunk.TrunkConfig):
    """Options, documented in `conf/model/vae.yaml`."""

    likelihood: Literal["bernoulli", "gaussian"]
    variance: Annotated[float, Field(gt=0)]
    beta: Annotated[float, Field(ge=0)]
    free_bits: Annotated[float, Field(ge=0)]
    output_bias: OutputBias


class Model(Autoencoder):
    """(B, C, H, W) → mu (B, d), the code → (B, C, H, W)."""

    monitor = "nelbo"

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(config, image_shape)
        # One linear layer with 2d outputs: two heads of d.
        self.encoder = _trunk.encoder(config, image_shape, 2 * config.latent_dim)
        self.decoder = _trunk.decoder(config, image_shape)
        self._config = config
        self._term = "bce" if config.likelihood == "bernoulli" else "nll"

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) → the posteriors' means (B, d)."""
        return self.posterior(x)[0]

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, C, H, W) → mu and logvar of q(z|x), each (B, d)."""
        mu, logvar = at_least_float32(_conv.run(self.encoder, x)).chunk(2, dim=1)
        return mu, logvar.clamp(*LOGVAR_RANGE)

    def decode_logits(self, z: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return _conv.run(self.decoder, z)

    def loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        """See `Autoencoder`."""
        mu, logvar = self.posterior(x_in)
        error = self._error(self.decode_logits(reparameterize(mu, logvar)), target)
        kl = kl_to_prior(mu, logvar)  # (B, d)
        penalty = kl
        if self._config.free_bits > 0:
            # A dimension whose batch mean is below the floor costs the floor, without a gradient.
            floor = self._config.free_bits
            penalty = torch.where(kl.mean(0) > floor, kl, torch.full_like(kl, floor))
        total = error + self._config.beta * penalty.sum(1)
        kl = kl.sum(1)
        return LossTerms(total, {self._term: error, "kl": kl, "nelbo": error + kl})

    def scores(self, x_in: Tensor, target: Tensor) -> dict[str, Tensor]:
        """See `Autoencoder`: `mse` at the mean code; the others in nats at β = 1."""
        mu, logvar = self.posterior(x_in)
        at_mean, kl = self.decode_logits(mu), kl_to_prior(mu, logvar).sum(1)
        error = self._error(self.decode_logits(reparameterize(mu, logvar)), target)
        return {
            "mse": mse(torch.sigmoid(at_mean), target),
            self._term: error,
            "kl": kl,
            "nelbo": error + kl,
            "nelbo_at_mean": self._error(at_mean, target) + kl,
        }

    def score_names(self) -> set[str]:
        """See `Autoencoder`."""
        return {"mse", self._term, "kl", "nelbo", "nelbo_at_mean"}

    def sample(self, n: int, source: torch.Generator) -> Tensor:
        """See `Autoencoder`: codes from N(0, I)."""
        like = next(self.parameters())
        return torch.randn(n, self.latent_dim, generator=source, device=source.device).to(like)

    @torch.no_grad()
    def log_likelihood(self, x: Tensor, samples: int) -> Tensor:
        """See `Autoencoder`: a lower bound that approaches log p(x) as K grows.

        log 1/K Σ_k p(x, z_k) / q(z_k|x) (Burda et al. 2016, "Importance weighted autoencoders").
        Decodes at most 4,096 images at once, or one sample per image if x holds more.
        """
        mu, logvar = self.posterior(x)
        at_once = max(1, _ROWS // len(x))
        log_weights = []
        for start in range(0, samples, at_once):
            k = min(at_once, samples - start)
            z = reparameterize(mu.repeat(k, 1), logvar.repeat(k, 1))  # (k·B, d)
            log_p = -self._error(self.decode_logits(z), x.repeat(k, 1, 1, 1)).view(k, -1)
            z = z.view(k, *mu.shape)
            # log N(z; 0, I) − log N(z; mu, σ²); the 2π cancel.
            log_ratio = ((z - mu).square() * (-logvar).exp() + logvar - z.square()).sum(2) / 2
            log_weights.append(log_p + log_ratio)
        return torch.cat(log_weights).logsumexp(0) - math.log(samples)

    def _error(self, logits: Tensor, target: Tensor) -> Tensor:
        """−log p(target|z) in nats: (B,)."""
        if self._config.likelihood == "bernoulli":
            return bce_with_logits(logits, target)
        pixels, variance = math.prod(self.image_shape), self._config.variance
        squares = pixels * mse(torch.sigmoid(at_least_float32(logits)), target)
        return squares / (2 * variance) + pixels / 2 * math.log(2 * math.pi * variance)


def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
    """A sample of N(mu, exp(logvar)), differentiable in both: (B, d)."""
    return mu + (logvar / 2).exp() * normal_like(mu)


def kl_to_prior(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) ‖ N(0, 1)) of each dimension in nats: (B, d)."""
    # exp(logvar) − 1 − logvar, without the rounding error that could make it negative near 0.
    return (mu.square() + (logvar.expm1() - logvar)) / 2
