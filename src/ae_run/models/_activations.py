"""Activations by name, shared by the models."""

from typing import Literal

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid"]


def activation(name: str | None) -> list[nn.Module]:
    """The named activation as a list to append to layers; empty for None."""
    return [] if name is None else [ACTIVATIONS[name]()]
