"""The interface of every autoencoder to the training loop and to evaluation.

Legend: B batch, C channels, H W pixels, d code size. Images are float (B, C, H, W) in [0, 1].
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ae_run.schema import ModelConfig


@dataclass(frozen=True)
class LossTerms:
    """Per-image losses: the weighted total to minimise and its named terms, each (B,)."""

    total: Tensor
    terms: dict[str, Tensor]


Batches = Callable[[], Iterator[tuple[Tensor, Tensor]]]
"""Starts a pass over (x_in, target) pairs, each (B, C, H, W)."""


@dataclass(frozen=True)
class Stage:
    """One stage of training: a loss, the parameters it is minimised over, and for how long."""

    name: str
    loss: Callable[[Tensor, Tensor], LossTerms]
    """(x_in, target), each (B, C, H, W) → per-image losses."""
    parameters: list[nn.Parameter]
    epochs: int | None = None
    """None: `train.epochs`."""
    begin: Callable[[], None] = lambda: None
    """Sets up the model for this stage; called before its first step, also on resume."""
    solve: Callable[[Batches, Batches], None] | None = None
    """Sets the weights in closed form, from the training and the validation images, instead of
    gradient steps; such a stage has one epoch."""


class Autoencoder(nn.Module):
    """Base of all models; most define only `encode`, `decode_logits` and `loss`."""

    def __init__(self, config: ModelConfig, image_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.image_shape = image_shape

    monitor = "mse"
    """The validation score that picks the best weights if `train.monitor` is auto."""

    likelihood: Literal["bernoulli", "gaussian"] | None = None
    """The distribution of a pixel given the code, in a model that bounds log p(x)."""

    @property
    def active_dim(self) -> int:
        """How many of a code's d numbers can differ from zero: all, except in a sparse code.

        The PCA baseline has as many components.
        """
        return self.latent_dim

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) → codes (B, d)."""
        raise NotImplementedError

    def decode_logits(self, z: Tensor) -> Tensor:
        """Codes (B, d) → logits of the pixels (B, C, H, W)."""
        raise NotImplementedError

    def decode(self, z: Tensor) -> Tensor:
        """Codes (B, d) → images (B, C, H, W) in [0, 1]."""
        return torch.sigmoid(self.decode_logits(z))

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images → images, deterministic."""
        return self.decode(self.encode(x))

    def forward(self, x: Tensor) -> Tensor:
        """Images → reconstructions."""
        return self.reconstruct(x)

    def loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        """The loss between the output for the (corrupted) input and the clean target."""
        raise NotImplementedError

    def scores(self, x_in: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Per-image validation scores (B,); needs no gradient."""
        return {"mse": mse(self.reconstruct(x_in), target)}

    def sample(self, n: int, source: torch.Generator) -> Tensor | None:  # noqa: ARG002
        """N codes (n, d) from the prior; None if the model has none."""
        return None

    def log_likelihood(self, x: Tensor, samples: int) -> Tensor | None:  # noqa: ARG002
        """Log p(x) in nats (B,), estimated with N samples; None if the model has no density."""
        return None

    def kl_per_dimension(self, x: Tensor) -> Tensor | None:  # noqa: ARG002
        """KL(q(z|x) ‖ p(z)) of each dimension in nats (B, d); None if the model has no prior."""
        return None

    def weights_penalty(self) -> Tensor | None:
        """A norm of the weights that stands for that of the encoder's Jacobian; None without."""
        return None

    def score_names(self) -> set[str]:
        """The names of the scores that `scores` returns."""
        return {"mse"}

    def output_layer(self) -> nn.Module:
        """The layer that outputs the pixel logits: the last one of `decoder`."""
        layers = (nn.Linear, nn.ConvTranspose2d)
        *_, last = (m for m in self.get_submodule("decoder").modules() if isinstance(m, layers))
        return last

    @property
    def batchable(self) -> bool:
        """Whether several seeds can be trained as one model.

        That takes a single stage and a loss that `torch.func.vmap` can map, which excludes
        gradients taken inside the loss.
        """
        return True

    def stages(self) -> list[Stage]:
        """The stages of training, in order; later ones may build on the weights of earlier ones."""
        return [Stage("train", self.loss, list(self.parameters()))]


OutputBias = float | Literal["data_mean"]
"""Initial bias of a decoder's last layer: a logit, or `data_mean` for that of the mean pixel."""


def start_output_bias(layer: nn.Module, start: OutputBias, data_mean: float) -> None:
    """Set the biases of a decoder's last layer, which is followed by a sigmoid.

    With biases of 0, the output starts grey. On dark images, the first steps on a squared error
    then push all pixels down at once, for dim images so far that the saturated sigmoid leaves no
    gradient to recover: colored digits stayed black for good. Starting at the logit of the mean
    pixel avoids this (Karpathy 2019, "A recipe for training neural networks": init well).

    Args:
        layer: the last layer, with a bias.
        start: `model.output_bias`.
        data_mean: mean pixel of the training images, in [0, 1].
    """
    assert isinstance(layer.bias, nn.Parameter)
    mean = min(max(data_mean, 0.01), 0.99)
    value = math.log(mean / (1 - mean)) if start == "data_mean" else start
    nn.init.constant_(layer.bias, value)


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean over the pixels of each image: (B, C, H, W) twice → (B,)."""
    return (at_least_float32(output) - target).square().flatten(1).mean(1)


def bce_with_logits(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy summed over the pixels of each image, in nats: → (B,)."""
    loss = F.binary_cross_entropy_with_logits(at_least_float32(logits), target, reduction="none")
    return loss.flatten(1).sum(1)


def reconstruction_terms(kind: str, logits: Tensor, target: Tensor) -> LossTerms:
    """The loss `mse` or `bce` between sigmoid(logits) and target (B, C, H, W)."""
    if kind == "bce":
        value = bce_with_logits(logits, target)
    else:
        value = mse(torch.sigmoid(at_least_float32(logits)), target)
    return LossTerms(value, {kind: value})


def at_least_float32(x: Tensor) -> Tensor:
    """`x` as float32, or unchanged if float64; sums in bfloat16 would be too coarse."""
    return x if x.dtype == torch.float64 else x.float()
