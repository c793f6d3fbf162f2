"""Randomized autoencoder: every layer is a decoder fitted to random features.

Legend: B batch, C channels, H W pixels, d code size; level 0 is the flat image, level L the code.

The zoo report's procedure, without biases, from the bottom up. Each layer starts as a shallow AE
of the level below, h → act(E·h) → W·act(E·h) ≈ h, with a fixed random encoder E; only W is
trained. W becomes a layer of the deep decoder and its transpose one of the deep encoder, so that
the next level is act(Wᵀ·h). (As in extreme learning machines: Kasun et al. 2013,
"Representational learning with extreme learning machine for big data".)

W is fitted to act(E·h), but its input in the deep net is act(Wᵀ·h), on a very different scale: the
report's procedure beats the mean image only after thousands of steps (0.060 against 0.068 after
7,000 on MNIST). With `refit`, the transpose is therefore scaled, and the deep decoder's layer is
fitted once more, to the deep encoder's codes.

`solver`: `gradient` takes `train.epochs` per fit; `ridge` finds the same minimum in closed form,
in one pass over the data.
"""

import math
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from ae_run.models import _ridge
from ae_run.models._activations import ACTIVATIONS
from ae_run.models._base import Autoencoder, Batches, LossTerms, Stage, at_least_float32, mse
from ae_run.schema import ModelConfig, Positives

RANGES = {"relu": (0.0, None), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
"""The range of each activation, to which linear decodings are clipped."""


class Config(ModelConfig):
    """Options, documented in `conf/model/randomized.yaml`."""

    widths: Positives
    activation: Literal["relu", "sigmoid", "tanh"]
    output: Literal["linear", "sigmoid"]
    refit: bool
    solver: Literal["gradient", "ridge"]
    ridge: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _closed_form(self) -> "Config":
        if self.solver == "ridge" and self.output != "linear":
            raise ValueError(
                f"model.output={self.output}: must be linear with model.solver=ridge, the only "
                "output with a closed form"
            )
        return self


class Model(Autoencoder):
    """(B, C, H, W) → code (B, d) → (B, C, H, W)."""

    position: Tensor
    """Twice the level whose layer is being fitted, plus 1 once that layer is part of the deep
    net. `reconstruct` depends on it, so that scores are meaningful in every stage."""

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(config, image_shape)
        sizes = [math.prod(image_shape), *config.widths, config.latent_dim]
        self._layers = [_Layer(a, b, config.refit) for a, b in pairwise(sizes)]
        self.layers = nn.ModuleList(self._layers)
        self._activation = ACTIVATIONS[config.activation]()
        self._config = config
        self.register_buffer("position", torch.tensor(0))

    def encode(self, x: Tensor) -> Tensor:
        """See `Autoencoder`; the deep encoder's code in every stage."""
        return self._climb(x, len(self._layers))

    def decode(self, z: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return self._descend(z, len(self._layers))

    def reconstruct(self, x: Tensor) -> Tensor:
        """See `Autoencoder`; through the layers fitted so far."""
        level, deep = divmod(int(self.position), 2)
        layer = self._layers[level]
        above = self._activation(layer.up(self._climb(x, level), bool(deep)))
        below = self._bounded(level, layer.down(above, bool(deep)))
        return self._descend(below, level)

    def loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        """See `Autoencoder`; the loss of the deep net. Training minimises one loss per layer."""
        value = mse(self.decode(self.encode(x_in)), target)
        return LossTerms(value, {"mse": value})

    @property
    def batchable(self) -> bool:
        """See `Autoencoder`."""
        return False

    def stages(self) -> list[Stage]:
        """Fit each layer, then the same layer as part of the deep net."""
        stages, last = [], len(self._layers) - 1
        for level in range(last + 1):
            stages.append(self._stage(f"layer {level + 1}", level, deep=False))
            if self._config.refit:
                stages.append(self._stage(f"refit {level + 1}", level, deep=True))
            elif level == last:
                # Nothing to fit, but the net to keep and score is the deep one.
                stages.append(self._stage("transpose", level, deep=True))
        return stages

    def _stage(self, name: str, level: int, deep: bool) -> Stage:
        solve = None
        if deep and not self._config.refit:
            solve = _nothing
        elif self._config.solver == "ridge":
            solve = partial(self._solve, level, deep)
        loss = partial(self._layer_loss, level, deep)
        weights = [self._layers[level].decoder(deep)]
        return Stage(name, loss, weights, begin=partial(self._use, level, deep), solve=solve)

    def _use(self, level: int, deep: bool) -> None:
        self.position.fill_(2 * level + deep)

    def _layer_loss(self, level: int, deep: bool, x_in: Tensor, target: Tensor) -> LossTerms:
        """The error between a level and its layer's reconstruction of it."""
        above, h = self._regression(level, deep, x_in, target)
        below = self._layers[level].down(above, deep)
        value = mse(below if self._config.output == "linear" else self._bounded(level, below), h)
        return LossTerms(value, {"layer_mse": value})

    def _solve(self, level: int, deep: bool, train: Batches, validation: Batches) -> None:
        """Fit a layer in closed form."""
        sums = [
            _ridge.gather(self._regression(level, deep, *pair) for pair in batches())
            for batches in (train, validation)
        ]
        assert sums[0] is not None  # there are training images
        weights, _ = _ridge.fit(sums[0], sums[1], self._config.ridge)
        self._layers[level].decoder(deep).copy_(weights.T)

    @torch.no_grad()
    def _regression(
        self, level: int, deep: bool, x_in: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Input and target of a layer's decoder: features of the level above, and the level."""
        above = self._activation(self._layers[level].up(self._climb(x_in, level), deep))
        return above, self._climb(target, level)

    def _climb(self, x: Tensor, levels: int) -> Tensor:
        """From images up to a level of the deep encoder."""
        h = x.flatten(1)
        for layer in self._layers[:levels]:
            h = self._activation(layer.up(h, deep=True))
        return h

    def _descend(self, h: Tensor, level: int) -> Tensor:
        """From a level down to images (B, C, H, W)."""
        for below in reversed(range(level)):
            h = self._bounded(below, self._layers[below].down(h, deep=True))
        return at_least_float32(h).view(-1, *self.image_shape)

    def _bounded(self, level: int, h: Tensor) -> Tensor:
        """A layer's output, restricted to the range of its level's values."""
        if self._config.output == "linear":
            return h.clamp(*((0.0, 1.0) if level == 0 else RANGES[self._config.activation]))
        return torch.sigmoid(h) if level == 0 else cast(Tensor, self._activation(h))


class _Layer(nn.Module):
    """The weights between a level and the next one up."""

    random: Tensor

    def __init__(self, below: int, above: int, refit: bool) -> None:
        super().__init__()
        self.register_buffer("random", _uniform(above, below))
        self.weight = nn.Parameter(_uniform(below, above))
        self.refitted = nn.Parameter(_uniform(below, above)) if refit else None

    def up(self, h: Tensor, deep: bool) -> Tensor:
        """Through the deep encoder's weights, or through the random ones."""
        if not deep:
            return F.linear(h, self.random)
        h = F.linear(h, self.weight.T)
        if self.refitted is None:
            return h
        # Divided by the mean squared length of W's columns, codes have a scale from which W leads
        # back, so that the same step size suits the second fit.
        return h * (h.shape[1] / self.weight.square().sum())

    def down(self, h: Tensor, deep: bool) -> Tensor:
        """Through the deep decoder's weights, or through those fitted to random features."""
        return F.linear(h, self.decoder(deep))

    def decoder(self, deep: bool) -> nn.Parameter:
        """The weights that `down` applies."""
        return self.refitted if deep and self.refitted is not None else self.weight


def _uniform(outputs: int, inputs: int) -> Tensor:
    """Random weights with the distribution of `nn.Linear`."""
    return torch.empty(outputs, inputs).uniform_(-1, 1) / math.sqrt(inputs)


def _nothing(train: Batches, validation: Batches) -> None:
    """Leave the layer as it is."""
