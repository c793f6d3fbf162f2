"""Wasserstein autoencoder with a maximum mean discrepancy, WAE-MMD.

Legend: B batch, C channels, H W pixels, d code size.

A deterministic autoencoder whose codes, taken together, are drawn towards N(0, σ²I): the loss is
‖x − x̂‖² + λ·MMD²(codes, prior), with the unbiased estimate of MMD² over the batch (Tolstikhin et
al. 2018, "Wasserstein auto-encoders"). A VAE draws the posterior of every single image towards the
prior, so that posteriors overlap; here only the codes of all images together have to match it.

The kernel is the paper's inverse multiquadratic C/(C + ‖a − b‖²) with C = s·2dσ², summed over the
scales s of the authors' code (`kernel_scales`); 2dσ² is the expected squared distance between two
draws from the prior.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ae_run.models import _conv, _trunk
from ae_run.models._base import Autoencoder, LossTerms, OutputBias, at_least_float32, mse
from ae_run.models._draws import normal_like

_Scale = Annotated[float, Field(gt=0)]


class Config(_trunk.TrunkConfig):
    """Options, documented in `conf/model/wae.yaml`."""

    mmd_weight: Annotated[float, Field(ge=0)]
    prior_std: _Scale
    kernel_scales: Annotated[tuple[_Scale, ...], Field(strict=False, min_length=1)]
    output_bias: OutputBias


class Model(Autoencoder):
    """(B, C, H, W) → code (B, d) → (B, C, H, W)."""

    monitor = "loss"

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(config, image_shape)
        self.encoder = _trunk.encoder(config, image_shape, config.latent_dim)
        self.decoder = _trunk.decoder(config, image_shape)
        self._config = config
        unit = 2 * config.latent_dim * config.prior_std**2
        self._widths = [scale * unit for scale in config.kernel_scales]

    def encode(self, x: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return _conv.run(self.encoder, x)

    def decode_logits(self, z: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return _conv.run(self.decoder, z)

    def loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        """See `Autoencoder`; `mmd` is one estimate for the whole batch."""
        z = at_least_float32(self.encode(x_in))
        error = mse(self.decode(z), target)
        distance = mmd(z, self._config.prior_std * normal_like(z), self._widths).expand(len(z))
        total = error * target[0].numel() + self._config.mmd_weight * distance
        return LossTerms(total, {"mse": error, "mmd": distance})

    def scores(self, x_in: Tensor, target: Tensor) -> dict[str, Tensor]:
        """See `Autoencoder`; `loss` is the total."""
        losses = self.loss(x_in, target)
        return {**losses.terms, "loss": losses.total}

    def score_names(self) -> set[str]:
        """See `Autoencoder`."""
        return {"mse", "mmd", "loss"}

    def sample(self, n: int, source: torch.Generator) -> Tensor:
        """See `Autoencoder`: codes from N(0, σ²I)."""
        like = next(self.parameters())
        z = torch.randn(n, self.latent_dim, generator=source, device=source.device)
        return self._config.prior_std * z.to(like)


def mmd(a: Tensor, b: Tensor, widths: list[float], *, unbiased: bool = True) -> Tensor:
    """An estimate of the squared maximum mean discrepancy between two distributions.

    Gretton et al. 2012, "A kernel two-sample test", equations 3 (unbiased) and 5 (biased), with
    the kernel Σ_C C/(C + ‖a − b‖²).

    Args:
        a: a sample of one, (n, d).
        b: a sample of the other, (n, d).
        widths: the values of C.
        unbiased: leave out the pairs of a point with itself. Such an estimate is zero on average
            where the distributions are the same, and may be negative; the biased one is not.

    Returns:
        A scalar.
    """
    n = len(a)
    within = _kernel(a, a, widths) + _kernel(b, b, widths)  # (n, n)
    between = 2 * _kernel(a, b, widths).mean()
    if not unbiased:
        return within.mean() - between
    # One point alone makes no pair.
    return (within.sum() - within.diagonal().sum()) / max(n * (n - 1), 1) - between


def _kernel(a: Tensor, b: Tensor, widths: list[float]) -> Tensor:
    """Σ_C C/(C + ‖a − b‖²) of every point of a (n, d) with every one of b: (n, n)."""
    squares = torch.cdist(a, b).square()
    return torch.stack([c / (c + squares) for c in widths]).sum(0)
