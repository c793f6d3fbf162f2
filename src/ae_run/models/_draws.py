"""Random draws of a model in training: dropout masks and latent samples.

They come from the default generator. If several replicas train as one batched model under
`torch.func.vmap`, each draws from its own generator the numbers it would draw on its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_replicas: Sequence[torch.Generator] = ()


@contextmanager
def replica_draws(sources: Sequence[torch.Generator]) -> Iterator[None]:
    """Context in which models run under `vmap`, with one generator per entry of its dimension."""
    global _replicas
    _replicas = sources
    try:
        yield
    finally:
        _replicas = ()


def normal_like(x: Tensor) -> Tensor:
    """Standard normal numbers in the shape of x."""
    numbers: Tensor = _Draw.apply(x.detach(), None) if _replicas else _draw(x, None, None)
    return numbers


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """In training, set values to zero with probability p and scale the others by 1 / (1 − p).

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    """
    if not training or p == 0:
        return x
    mask = _Draw.apply(x.detach(), p) if _replicas else _draw(x, p, None)
    return x * mask


class Dropout(nn.Dropout):
    """`dropout` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, …) → (B, …)."""
        return dropout(x, self.p, self.training)


def _draw(x: Tensor, p: float | None, source: torch.Generator | None) -> Tensor:
    """A scaled dropout mask, or normal numbers if p is None, in the shape of x."""
    # Channels last, as convolutions lay out their output, whatever the layout of x.
    shape = (x.shape[0], *x.shape[2:], x.shape[1]) if x.dim() == 4 else x.shape
    values = torch.empty(shape, dtype=x.dtype, device=x.device)
    if p is None:
        values.normal_(generator=source)
    else:
        values.bernoulli_(1 - p, generator=source).div_(1 - p)
    return values.movedim(-1, 1) if x.dim() == 4 else values


class _Draw(torch.autograd.Function):
    """`_draw` with a rule for `vmap`, which passes the values of all replicas."""

    @staticmethod
    def forward(x: Tensor, p: float | None) -> Tensor:
        return _draw(x, p, None)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:  # noqa: ARG004
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:  # noqa: ARG004
        return None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, p: float | None) -> tuple[Tensor, int]:  # noqa: ARG004
        each = x.movedim(in_dims[0], 0)
        return torch.stack([_draw(x, p, s) for x, s in zip(each, _replicas, strict=True)]), 0
