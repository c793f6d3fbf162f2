"""A decoder as a list of plain layers, which the run's page executes without torch.

The layers are read from what `Autoencoder.decode` does with one batch, operation by operation, so
that a model is free in how it is written. Operations that no layer stands for make a decoder
`Unsupported`.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ae_run.evaluation.decoder_layers import Layer, run
from ae_run.models import Autoencoder

LIMIT_BYTES = 3_000_000
"""Of all weights; base64 makes 4 MB of them in the page."""
TOLERANCE = 1e-3
"""The largest difference between a pixel by these layers and by the model."""


class Unsupported(Exception):
    """Says in a few words why the decoder is not a list of layers."""


@torch.no_grad()
def export(model: Autoencoder, codes: Tensor) -> list[Layer]:
    """The layers of `model.decode`, in float32 if they are small enough, else in float16.

    Args:
        model: in evaluation mode, on any device.
        codes: (n, d) with n ≥ 1, for which the layers are checked against the model.

    Raises:
        Unsupported: there is an operation without a layer, the weights are larger than
            `LIMIT_BYTES`, or a pixel differs by more than `TOLERANCE`.
    """
    model = copy.deepcopy(model).cpu().float().eval()
    codes = codes.float().cpu()
    layers = trace(model.decode, codes[:1])
    size = sum(layer.nbytes for layer in layers)
    if size > LIMIT_BYTES:
        layers = [layer.astype(np.float16) for layer in layers]
    if size > 2 * LIMIT_BYTES:
        raise Unsupported(f"its {size / 4e6:.1f} million weights are too many")
    difference = (run(layers, codes) - model.decode(codes)).abs().max().item()
    if not difference <= TOLERANCE:  # NaN is none
        raise Unsupported(f"its layers differ from the model by {difference:.2g} per pixel")
    return layers


def trace(decode: Callable[[Tensor], Tensor], codes: Tensor) -> list[Layer]:
    """The layers that `decode` applies to codes (1, d).

    Raises:
        Unsupported: there is an operation without a layer.
    """
    with _Recorder(codes) as recorder:
        output = decode(codes)
    if not recorder.ends_with(output):
        raise Unsupported("its output is not that of its last operation")
    layers: list[Layer] = recorder.layers
    return layers


@dataclass(frozen=True)
class _Operation:
    """An ATen operation on the value that is followed."""

    name: str
    x: Tensor
    output: Tensor
    args: Sequence[Any]
    kwargs: dict[str, Any]

    def unknown(self) -> Unsupported:
        """What to raise if the operation is of a form that no layer has."""
        return Unsupported(f"there is no layer for its operation {self.name}")


_Make = Callable[[_Operation], Layer | None]
"""The layer of an operation; None if it changes no number."""


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follows a value from operation to operation, and collects their layers."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.layers: list[Layer] = []
        self._past: list[Tensor] = []  # kept alive, so that no other tensor is taken for one
        self._now = [value]  # tensors with the numbers that the layers so far result in

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Any = (),
        kwargs: Any = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        used = [arg for arg in args if _among(arg, self._past + self._now)]
        if not used:
            return result  # of weights alone
        if len(used) > 1 or not self.ends_with(used[0]):
            raise Unsupported("it has branches")
        output = result[0] if isinstance(result, tuple) else result
        name = func.overloadpacket.__name__.removesuffix("_")
        operation = _Operation(name, used[0], output, args, kwargs or {})
        if name not in _LAYERS or output.shape[:1] != used[0].shape[:1]:
            raise operation.unknown()
        layer = _LAYERS[name](operation)
        if layer is None:
            self._now.append(output)
        else:
            self.layers.append(layer)
            self._past += self._now
            self._now = [output]
        return result

    def ends_with(self, tensor: Tensor) -> bool:
        """Whether it holds the numbers that all layers result in."""
        return _among(tensor, self._now)


def _among(one: object, tensors: Sequence[Tensor]) -> bool:
    return any(one is tensor for tensor in tensors)


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.detach().float().contiguous().numpy()
    return array


def _linear(weight: Tensor, bias: Tensor) -> Layer:
    arrays = {"weight": _array(weight), "bias": _array(bias.expand(len(weight)))}
    return Layer("linear", (len(weight),), {}, arrays)


def _addmm(op: _Operation) -> Layer:
    bias, x, weight = op.args[:3]
    if x is not op.x or op.kwargs.get("alpha", 1) != 1 or op.kwargs.get("beta", 1) != 1:
        raise op.unknown()
    return _linear(weight.T, bias)


def _mm(op: _Operation) -> Layer:
    x, weight = op.args[:2]
    if x is not op.x:
        raise op.unknown()
    return _linear(weight.T, torch.zeros(1))


def _convolution(op: _Operation) -> Layer:
    _, weight, bias, stride, padding, dilation, transposed, _, groups = op.args[:9]
    if groups != 1 or set(dilation) != {1} or weight.dim() != 4:
        raise op.unknown()
    bias = torch.zeros(op.output.shape[1]) if bias is None else bias
    options = {
        "input": list(op.x.shape[1:]),
        "kernel": list(weight.shape[2:]),
        "stride": list(stride),
        "padding": list(padding),
    }
    kind, shape = "conv_transpose" if transposed else "conv", tuple(op.output.shape[1:])
    return Layer(kind, shape, options, {"weight": _array(weight), "bias": _array(bias)})


def _affine(op: _Operation, scale: Tensor, shift: Tensor) -> Layer:
    arrays = {"scale": _array(scale), "shift": _array(shift)}
    return Layer("affine", tuple(op.output.shape[1:]), {}, arrays)


def _batch_norm(op: _Operation) -> Layer:
    _, weight, bias, mean, variance = op.args[:5]
    scale = (variance + op.args[-1]).rsqrt() * (1.0 if weight is None else weight)
    return _affine(op, scale, (0.0 if bias is None else bias) - mean * scale)


def _arithmetic(op: _Operation) -> Layer:
    """The value and a constant: a number, or a tensor that broadcasts to the value's shape."""
    first = op.args[0] is op.x
    zeros = torch.zeros(op.x.shape[1:])
    constant = zeros + op.args[1 if first else 0]
    if op.kwargs or constant.shape != zeros.shape or not (first or op.name in ("add", "mul")):
        raise op.unknown()
    constant = constant.flatten()
    if bool((constant == constant[0]).all()):
        constant = constant[:1]
    one, nothing = torch.ones_like(constant), torch.zeros_like(constant)
    scale = {"mul": constant, "div": 1 / constant}.get(op.name, one)
    shift = {"add": constant, "sub": -constant}.get(op.name, nothing)
    return _affine(op, scale, shift)


def _reshape(op: _Operation) -> Layer:
    return Layer("reshape", tuple(op.output.shape[1:]))


def _identity(op: _Operation) -> None:
    if op.output.shape != op.x.shape or not op.output.is_floating_point():
        raise op.unknown()


def _upsample(op: _Operation) -> Layer:
    before, after = op.x.shape[2:], op.output.shape[2:]
    if any(large % small for small, large in zip(before, after, strict=True)):
        raise op.unknown()
    return Layer("upsample", tuple(op.output.shape[1:]), {"input": list(op.x.shape[1:])})


def _elementwise(kind: str, **defaults: Any) -> _Make:
    """A function of each value by itself, with the options of its operation, in order."""

    def make(op: _Operation) -> Layer:
        given = dict(zip(defaults, op.args[1:], strict=False)) | op.kwargs
        options = {name: given.get(name, default) for name, default in defaults.items()}
        return Layer(kind, tuple(op.output.shape[1:]), options)

    return make


_LAYERS: dict[str, _Make] = {
    "addmm": _addmm,
    "mm": _mm,
    "convolution": _convolution,
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"),
        _batch_norm,
    ),
    **dict.fromkeys(("add", "sub", "mul", "div"), _arithmetic),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "unsqueeze", "squeeze"), _reshape),
    **dict.fromkeys(("alias", "detach", "clone", "contiguous", "_to_copy"), _identity),
    "upsample_nearest2d": _upsample,
    "relu": _elementwise("relu"),
    "leaky_relu": _elementwise("leaky_relu", negative_slope=0.01),
    "elu": _elementwise("elu", alpha=1.0, scale=1.0, input_scale=1.0),
    "gelu": _elementwise("gelu", approximate="none"),
    "silu": _elementwise("silu"),
    "tanh": _elementwise("tanh"),
    "sigmoid": _elementwise("sigmoid"),
    "softplus": _elementwise("softplus", beta=1.0, threshold=20.0),
    "clamp": _elementwise("clamp", min=None, max=None),
    "clamp_min": _elementwise("clamp", min=None, max=None),
    "hardtanh": _elementwise("clamp", min=-1.0, max=1.0),
}
"""By name of the ATen operation."""
