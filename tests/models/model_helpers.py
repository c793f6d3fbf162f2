"""Models as the command line would build them, and images to feed them."""

from functools import cache

import torch
from helpers.configs import configured
from torch import Tensor

from ae_run import components, data, models
from ae_run.config import Config
from ae_run.models import Autoencoder
from ae_run.testing.models import train
from ae_run.testing.setup import SHAPES

__all__ = ["CHOICES", "SHAPES", "VARIANTS", "build", "config", "digits", "train"]

# Options that change what a model is made of, on top of every YAML file by itself.
VARIANTS = [
    "model=conv_ae model.pools=[2,2,1] model.strides=[1,1,2]",
    "model=conv_ae model.batch_norm=true model.dropout=0.2 model.flat_dropout=0.1",
    "model=conv_ae model.loss=bce model.code_activation=relu",
    "model=dense_ae model.tied=true model.pretrain_epochs=1 model.dropout=0.1",
    "model=dense_ae model.pretrain_epochs=1 model.loss=bce model.widths=[30]",
    "model=contractive model.trunk=dense model.penalty=weights model.widths=[50]",
    "model=contractive model.penalty=hutchinson model.dropout=0.1 model.pools=[2,1,1]",
    "model=randomized model.widths=[40] model.latent_dim=20 model.solver=ridge",
    "model=randomized model.widths=[40] model.latent_dim=20 model.refit=false model.output=sigmoid",
    "model=sparse model.anneal_steps=0 model.tied=false model.test_factor=2 model.latent_dim=40",
    "model=wae model.trunk=dense model.widths=[50] model.prior_std=2 model.kernel_scales=[1.0]",
    "model=vae model.trunk=dense model.widths=[50] model.likelihood=gaussian",
    "model=vae model.objective=iwae model.importance_samples=4",
    "model=vae model.free_bits=0.5 model.beta=4 model.batch_norm=true model.dropout=0.3",
]
CHOICES = [f"model={name}" for name in components.options("model")] + VARIANTS


def config(choice: str) -> Config:
    """The validated config of a command line's overrides, separated by spaces."""
    return configured(*choice.split())


DIGITS_MEAN = 0.31


def build(
    choice: str,
    shape: tuple[int, int, int] = (1, 28, 28),
    seed: int = 0,
    data_mean: float = DIGITS_MEAN,
) -> Autoencoder:
    """A model with weights of a seed."""
    torch.manual_seed(seed)
    return models.build(config(choice).model, shape, data_mean)


@cache
def digits(count: int) -> Tensor:
    """Digits (B, 1, 28, 28)."""
    dataset = data.load(config("data=digits").data)
    return torch.from_numpy(dataset.train.images[:count]).float() / 255
