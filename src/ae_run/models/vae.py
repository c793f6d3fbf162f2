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

With K = `importance_samples` codes per image, `objective=elbo` averages their K bounds, and
`objective=iwae` maximises log 1/K Σ_k p(x, z_k) / q(z_k|x), which lies between the ELBO, to which
it is equal at K = 1, and log p(x) (Burda et al. 2016, "Importance weighted autoencoders"). Its
negative is the score `niwae`, by which such a run is monitored.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
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
from ae_run.schema import Positive

LOGVAR_RANGE = (-10.0, 10.0)
"""Log-variances are clamped to this range, so that no exponential overflows: standard deviations
from 0.007 to 148. Outside of it their gradient is zero."""
_ROWS = 1024
"""Codes that are decoded at once where no gradient is needed."""


class Config(_trunk.TrunkConfig):
    """Options, documented in `conf/model/vae.yaml`."""

    likelihood: Literal["bernoulli", "gaussian"]
    variance: Annotated[float, Field(gt=0)]
    beta: Annotated[float, Field(ge=0)]
    free_bits: Annotated[float, Field(ge=0)]
    objective: Literal["elbo", "iwae"]
    importance_samples: Positive
    output_bias: OutputBias

    @model_validator(mode="after")
    def _of_the_elbo_only(self) -> "Config":
        for name, neutral in (("beta", 1.0), ("free_bits", 0.0)):
            if self.objective == "iwae" and getattr(self, name) != neutral:
                raise ValueError(
                    f"model.{name}={getattr(self, name):g}: changes the KL term, which "
                    f"model.objective=iwae does not have; must be {neutral:g} there, or use "
                    "model.objective=elbo"
                )
        return self


class Model(Autoencoder):
    """(B, C, H, W) → mu (B, d), the code → (B, C, H, W)."""

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(config, image_shape)
        # One linear layer with 2d outputs: two heads of d.
        self.encoder = _trunk.encoder(config, image_shape, 2 * config.latent_dim)
        self.decoder = _trunk.decoder(config, image_shape)
        self.likelihood = config.likelihood
        self.monitor = "niwae" if config.objective == "iwae" else "nelbo"
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
        z, errors = self._sampled(mu, logvar, target, self._config.importance_samples)
        error = errors.mean(0)
        kl = kl_to_prior(mu, logvar)  # (B, d)
        terms = {self._term: error, "kl": kl.sum(1), "nelbo": error + kl.sum(1)}
        if self._config.objective == "iwae":
            bound = log_mean_exp(log_ratio(z, mu, logvar) - errors)
            return LossTerms(-bound, terms | {"niwae": -bound})
        if self._config.free_bits > 0:
            # A dimension whose batch mean is below the floor costs the floor, without a gradient.
            floor = self._config.free_bits
            kl = torch.where(kl.mean(0) > floor, kl, torch.full_like(kl, floor))
        return LossTerms(error + self._config.beta * kl.sum(1), terms)

    def scores(self, x_in: Tensor, target: Tensor) -> dict[str, Tensor]:
        """See `Autoencoder`: `mse` at the mean code; the others in nats at β = 1."""
        mu, logvar = self.posterior(x_in)
        at_mean, kl = self.decode_logits(mu), kl_to_prior(mu, logvar).sum(1)
        chunks = self._in_chunks(mu, logvar, target, self._config.importance_samples)
        errors, log_weights = map(torch.cat, zip(*chunks, strict=True))  # each (K, B)
        error = errors.mean(0)
        scores = {
            "mse": mse(torch.sigmoid(at_mean), target),
            self._term: error,
            "kl": kl,
            "nelbo": error + kl,
            "nelbo_at_mean": self._error(at_mean, target) + kl,
        }
        if self._config.objective == "iwae":
            scores["niwae"] = -log_mean_exp(log_weights)
        return scores

    def score_names(self) -> set[str]:
        """See `Autoencoder`."""
        names = {"mse", self._term, "kl", "nelbo", "nelbo_at_mean"}
        return names | ({"niwae"} if self._config.objective == "iwae" else set())

    def kl_per_dimension(self, x: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return kl_to_prior(*self.posterior(x))

    def sample(self, n: int, source: torch.Generator) -> Tensor:
        """See `Autoencoder`: codes from N(0, I)."""
        like = next(self.parameters())
        return torch.randn(n, self.latent_dim, generator=source, device=source.device).to(like)

    @torch.no_grad()
    def log_likelihood(self, x: Tensor, samples: int) -> Tensor:
        """See `Autoencoder`: a lower bound that approaches log p(x) as K grows.

        log 1/K Σ_k p(x, z_k) / q(z_k|x) (Burda et al. 2016, "Importance weighted autoencoders").
        Decodes at most 1,024 codes at once, or one code per image if x holds more.
        """
        chunks = self._in_chunks(*self.posterior(x), x, samples)
        return log_mean_exp(torch.cat([log_weights for _, log_weights in chunks]))

    def _in_chunks(
        self, mu: Tensor, logvar: Tensor, target: Tensor, samples: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """−log p(x|z) and the log-weights log p(x, z) / q(z|x) of K samples, each (≤ K, B)."""
        at_once = max(1, _ROWS // len(target))
        for start in range(0, samples, at_once):
            z, errors = self._sampled(mu, logvar, target, min(at_once, samples - start))
            yield errors, log_ratio(z, mu, logvar) - errors

    def _sampled(self, mu: Tensor, logvar: Tensor, target: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """K codes per image (K, B, d), and −log p(target|z) of each (K, B)."""
        z = reparameterize(_repeated(mu, k), _repeated(logvar, k))
        errors = self._error(self.decode_logits(z), _repeated(target, k))
        return z.view(k, *mu.shape), errors.view(k, -1)

    def _error(self, logits: Tensor, target: Tensor) -> Tensor:
        """−log p(target|z) in nats: (B,)."""
        if self._config.likelihood == "bernoulli":
            return bce_with_logits(logits, target)
        pixels, variance = math.prod(self.image_shape), self._config.variance
        squares = pixels * mse(torch.sigmoid(at_least_float32(logits)), target)
        return squares / (2 * variance) + pixels / 2 * math.log(2 * math.pi * variance)


def _repeated(x: Tensor, k: int) -> Tensor:
    """(B, …) → (k·B, …), all of x k times; x itself for k = 1."""
    return x.expand(k, *x.shape).flatten(0, 1)


def log_mean_exp(log_weights: Tensor) -> Tensor:
    """The logarithm of the mean over K weights, from their logarithms: (K, B) → (B,)."""
    return log_weights.logsumexp(0) - math.log(len(log_weights))


def log_ratio(z: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """Log N(z; 0, I) − log N(z; mu, exp(logvar)): (K, B, d) and twice (B, d) → (K, B)."""
    # The 2π cancel.
    return ((z - mu).square() * (-logvar).exp() + logvar - z.square()).sum(2) / 2


def reparameterize(mu: Tensor, logvar: Tensor) -> Tensor:
    """A sample of N(mu, exp(logvar)), differentiable in both: (B, d)."""
    return mu + (logvar / 2).exp() * normal_like(mu)


def kl_to_prior(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) ‖ N(0, 1)) of each dimension in nats: (B, d)."""
    # exp(logvar) − 1 − logvar, without the rounding error that could make it negative near 0.
    return (mu.square() + (logvar.expm1() - logvar)) / 2
