"""What a model draws at random while it trains: dropout masks and latent samples.

Drawn from the default generator; or, where several replicas train as one batched model under
`torch.func.vmap`, for each replica from a generator of its own, the numbers it would have drawn
alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_replicas: Sequence[torch.Generator] = ()


@contextmanager
def replica_draws(sources: Sequence[torch.Generator]) -> Iterator[None]:
    """Inside, models run under `vmap`, one generator for each entry of its dimension."""
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
    """Set values to zero with probability p and scale the others by 1 / (1 − p), in training.

    (Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".)
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
    """Kept entries for dropout, or normal numbers where p is None: in the shape of x."""
    # In the order in which convolutions lay out their values, whatever the layout of x.
    shape = (x.shape[0], *x.shape[2:], x.shape[1]) if x.dim() == 4 else x.shape
    values = torch.empty(shape, dtype=x.dtype, device=x.device)
    if p is None:
        values.normal_(generator=source)
    else:
        values.bernoulli_(1 - p, generator=source).div_(1 - p)
    return values.movedim(-1, 1) if x.dim() == 4 else values


class _Draw(torch.autograd.Function):
    """`_draw` with a rule for `vmap`, which calls it with all replicas' values."""

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
