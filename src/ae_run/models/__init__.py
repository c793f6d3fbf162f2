"""Autoencoders: one file per family.

Contract of a model file: `Config`, a `ModelConfig`, and `Model(config, image_shape)`, an
`Autoencoder` (see `_base`). Models never import data.
"""

from ae_run import components
from ae_run.config import ModelConfig
from ae_run.models._base import Autoencoder, Batches, LossTerms, Stage

__all__ = ["Autoencoder", "Batches", "LossTerms", "Stage", "build"]


def build(config: ModelConfig, image_shape: tuple[int, int, int]) -> Autoencoder:
    """A new model for images of shape (C, H, W), with weights from torch's global generator.

    Raises:
        UserError: the options do not fit the images.
    """
    model: Autoencoder = components.module("model", config.name).Model(config, image_shape)
    return model
