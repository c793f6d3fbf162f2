"""Fully connected autoencoder of any depth, for images of any shape.

Legend: B batch, C channels, H W pixels, d code size; level 0 is the flat image, level L the code.

C·H·W → widths → d → widths → C·H·W, with a sigmoid at the end; the zoo report's shallow net is
784-200-784, its deep one 784-500-200-100-10. With `tied`, each decoder layer's weight matrix is
the transpose of its encoder layer's (Vincent et al. 2010, "Stacked denoising autoencoders"). With
`pretrain_epochs`, each pair of layers is first trained on its own, from the bottom up, to
reconstruct the level below it (Bengio et al. 2007, "Greedy layer-wise training of deep networks").
"""

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ae_run.models._activations import ACTIVATIONS, Activation
from ae_run.models._base import Autoencoder, LossTerms, OutputBias, Stage, mse, reconstruction_terms
from ae_run.models._draws import dropout
from ae_run.schema import DropoutRate, ModelConfig, Positives


class Config(ModelConfig):
    """Options, documented in `conf/model/dense_ae.yaml`."""

    widths: Positives
    activation: Activation
    code_activation: Activation | None
    dropout: DropoutRate
    tied: bool
    pretrain_epochs: Annotated[int, Field(ge=0)]
    loss: Literal["mse", "bce"]
    output_bias: OutputBias


class Model(Autoencoder):
    """(B, C, H, W) → code (B, d) → (B, C, H, W)."""

    levels: Tensor
    """The number of levels that `reconstruct` climbs: in pretraining, those trained so far."""

    def __init__(self, config: Config, image_shape: tuple[int, int, int]) -> None:
        super().__init__(config, image_shape)
        sizes = [math.prod(image_shape), *config.widths, config.latent_dim]
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.decoder = nn.ModuleList(nn.Linear(b, a) for a, b in pairwise(sizes))
        if config.tied:
            # Only the encoder owns the tensor: a weights file must not hold it twice.
            for layer in self.decoder:
                layer.register_parameter("weight", None)
        code = config.code_activation
        self._activation = ACTIVATIONS[config.activation]()
        self._code_activation = ACTIVATIONS[code]() if code else nn.Identity()
        self._config = config
        self.register_buffer("levels", torch.tensor(len(self.encoder)))

    def encode(self, x: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return self._climb(x, len(self.encoder), self.training)

    def decode_logits(self, z: Tensor) -> Tensor:
        """See `Autoencoder`."""
        return self._descend(z, len(self.encoder))

    def reconstruct(self, x: Tensor) -> Tensor:
        """See `Autoencoder`."""
        levels = int(self.levels)
        return torch.sigmoid(self._descend(self._climb(x, levels, self.training), levels))

    def loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        """See `Autoencoder`."""
        logits = self.decode_logits(self.encode(x_in))
        return reconstruction_terms(self._config.loss, logits, target)

    def output_layer(self) -> nn.Module:
        """See `Autoencoder`."""
        return self.decoder[0]

    @property
    def batchable(self) -> bool:
        """See `Autoencoder`."""
        return not self._config.pretrain_epochs

    def stages(self) -> list[Stage]:
        """Pretraining of each pair of layers, if any; then all together."""
        pretrained = len(self.encoder) if self._config.pretrain_epochs else 0
        return [
            *(self._pretraining(level) for level in range(pretrained)),
            *(replace(s, begin=partial(self._use, len(self.encoder))) for s in super().stages()),
        ]

    def _pretraining(self, level: int) -> Stage:
        return Stage(
            name=f"pretrain {level + 1}",
            loss=partial(self._layer_loss, level),
            parameters=[*self.encoder[level].parameters(), *self.decoder[level].parameters()],
            epochs=self._config.pretrain_epochs,
            begin=partial(self._use, level + 1),
        )

    def _use(self, levels: int) -> None:
        self.levels.fill_(levels)

    def _layer_loss(self, level: int, x_in: Tensor, target: Tensor) -> LossTerms:
        """The error between a level and its reconstruction from the level above."""
        with torch.no_grad():  # the layers below are finished
            h_in, h = self._climb(x_in, level, False), self._climb(target, level, False)
        below = self._down(level, self._up(level, h_in, self.training))
        if level == 0:
            kind = self._config.loss
            value = reconstruction_terms(kind, below, h).total
        else:
            kind, value = "mse", mse(self._activation(below), h)
        return LossTerms(value, {f"layer_{kind}": value})

    def _climb(self, x: Tensor, levels: int, training: bool) -> Tensor:
        """From images up to a level."""
        h = x.flatten(1)
        for level in range(levels):
            h = self._up(level, h, training)
        return h

    def _descend(self, h: Tensor, level: int) -> Tensor:
        """From a level down to pixel logits (B, C, H, W)."""
        for below in reversed(range(level)):
            h = self._down(below, h)
            if below > 0:
                h = self._dropped(self._activation(h), self.training)
        return h.view(-1, *self.image_shape)

    def _up(self, level: int, h: Tensor, training: bool) -> Tensor:
        """From a level up to the next, with the activation."""
        h = self.encoder[level](h)
        if level + 1 == len(self.encoder):
            return cast(Tensor, self._code_activation(h))
        return self._dropped(self._activation(h), training)

    def _down(self, level: int, h: Tensor) -> Tensor:
        """Down to a level from the one above it, without the activation."""
        up, down = cast(nn.Linear, self.encoder[level]), cast(nn.Linear, self.decoder[level])
        return F.linear(h, up.weight.T if self._config.tied else down.weight, down.bias)

    def _dropped(self, h: Tensor, training: bool) -> Tensor:
        return dropout(h, self._config.dropout, training)
