"""Layers, as the page of a run executes them without torch, and the same computed with torch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Layer:
    """One step from a batch of values to the next.

    `linear`, `conv`, `conv_transpose` and `affine` have arrays; `affine` scales and shifts the
    values in as many consecutive blocks of the same size as `scale` has entries, such as channels.
    """

    kind: str
    shape: tuple[int, ...]
    """Of the output, without the batch."""
    options: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Size of the weights."""
        return sum(array.nbytes for array in self.arrays.values())

    def astype(self, dtype: type[np.floating[Any]]) -> "Layer":
        """The layer with weights of another type."""
        return replace(self, arrays={k: a.astype(dtype) for k, a in self.arrays.items()})


def run(layers: Sequence[Layer], codes: Tensor) -> Tensor:
    """Apply layers to codes (n, d) → (n, …), as the page does."""
    value = codes
    for layer in layers:
        arrays = {name: torch.from_numpy(array).float() for name, array in layer.arrays.items()}
        value = _RUN[layer.kind](value, layer, arrays)
    return value


def _run_affine(x: Tensor, _: Layer, arrays: dict[str, Tensor]) -> Tensor:
    blocks = x.reshape(len(x), len(arrays["scale"]), -1)
    return (blocks * arrays["scale"][:, None] + arrays["shift"][:, None]).view_as(x)


def _run_gelu(x: Tensor, layer: Layer, _: dict[str, Tensor]) -> Tensor:
    if layer.options["approximate"] == "tanh":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def _geometry(layer: Layer) -> dict[str, Any]:
    return {name: layer.options[name] for name in ("stride", "padding")}


def _run_conv_transpose(x: Tensor, layer: Layer, arrays: dict[str, Tensor]) -> Tensor:
    """What the padding cuts off is what the output's shape leaves out."""
    weight, (down, across) = arrays["weight"], layer.options["padding"]
    whole = F.conv_transpose2d(x, weight, None, layer.options["stride"])
    _, height, width = layer.shape
    right = across + width - whole.shape[3]
    below = down + height - whole.shape[2]
    whole = F.pad(whole, (0, max(0, right), 0, max(0, below)))
    cut = whole[:, :, down : down + height, across : across + width]
    return cut + arrays["bias"][:, None, None]


_RUN: dict[str, Callable[[Tensor, Layer, dict[str, Tensor]], Tensor]] = {
    "linear": lambda x, _, a: x @ a["weight"].T + a["bias"],
    "conv": lambda x, o, a: F.conv2d(x, a["weight"], a["bias"], **_geometry(o)),
    "conv_transpose": _run_conv_transpose,
    "affine": _run_affine,
    "reshape": lambda x, o, _: x.reshape(len(x), *o.shape),
    "upsample": lambda x, o, _: F.interpolate(x, size=o.shape[1:]),
    "relu": lambda x, *_: x.clamp(min=0),
    "leaky_relu": lambda x, o, _: torch.where(x > 0, x, o.options["negative_slope"] * x),
    "elu": lambda x, o, _: (
        o.options["scale"]
        * torch.where(x > 0, x, o.options["alpha"] * (o.options["input_scale"] * x).expm1())
    ),
    "gelu": _run_gelu,
    "silu": lambda x, *_: x / (1 + (-x).exp()),
    "tanh": lambda x, *_: x.tanh(),
    "sigmoid": lambda x, *_: 1 / (1 + (-x).exp()),
    "softplus": lambda x, o, _: F.softplus(x, o.options["beta"], o.options["threshold"]),
    "clamp": lambda x, o, _: x.clamp(o.options["min"], o.options["max"]),
}
