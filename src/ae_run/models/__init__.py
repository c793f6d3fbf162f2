"""Autoencoders: one file per family.

Contract of a model file: `Config`, a `ModelConfig`, and `Model(config, image_shape)`, an
`Autoencoder` (see `_base`). Models never import data.
"""

import inspect

from ae_run import components
from ae_run.errors import UserError
from ae_run.models._base import (
    Autoencoder,
    Batches,
    LossTerms,
    Stage,
    at_least_float32,
    mse,
    start_output_bias,
)
from ae_run.models._draws import dropout, replica_draws
from ae_run.own_code import line_of
from ae_run.schema import ModelConfig

__all__ = [
    "Autoencoder",
    "Batches",
    "LossTerms",
    "Stage",
    "at_least_float32",
    "build",
    "dropout",
    "mse",
    "replica_draws",
]


def build(
    config: ModelConfig, image_shape: tuple[int, int, int], data_mean: float = 0.5
) -> Autoencoder:
    """A new model for images of shape (C, H, W), with weights from torch's global generator.

    Args:
        config: of the model.
        image_shape: (C, H, W).
        data_mean: mean pixel of the training images, for `model.output_bias=data_mean`; has no
            effect if weights are loaded afterwards.

    Raises:
        UserError: the options do not fit the images.
    """
    kind = components.module("model", config.name).Model
    if not (isinstance(kind, type) and issubclass(kind, Autoencoder)):
        where = f"{inspect.getsourcefile(kind)}:{line_of(kind)}"
        raise UserError(f"{where}: Model must be an ae_run.models.Autoencoder")
    model: Autoencoder = kind(config, image_shape)
    start = getattr(config, "output_bias", None)
    if start is not None:
        start_output_bias(model.output_layer(), start, data_mean)
    return model
