"""A training step as a CUDA graph: captured once, then replayed with one call.

A small net's step runs a few hundred kernels of a few microseconds each; launching one from Python
takes longer than running it. A graph launches them all at once (PyTorch's notes on CUDA semantics,
"CUDA Graphs"). It works on fixed memory: positions are copied in, loss sums are copied out, and
the learning rate is a tensor. Its generators are registered with it, so that its random numbers
are the same as in eager steps.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

EAGER_STEPS = 3
"""Eager steps before the capture, in which libraries choose algorithms and optimizers create
their state."""


class AnyStep(Protocol):
    """The interface of `Step`, `BatchedStep` and `GraphStep`."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer; its learning rate is set before each step."""

    @property
    def names(self) -> list[str]:
        """The names of the loss terms, and `total`; known after the first step."""

    @property
    def generators(self) -> list[torch.Generator]:
        """The generators that a step draws from, except the default one."""

    def start_epoch(self, epoch: int) -> list[Tensor]:
        """Seed the generators for an epoch; return its batches, as positions of images."""

    def __call__(self, index: Tensor) -> Tensor:
        """Positions of images → loss sums."""


Recording = tuple[Callable[[], None], Tensor]
Record = Callable[[Callable[[], Tensor], list[torch.Generator]], Recording]
"""Records a function without running it; returns its replay and its fixed output."""


def record(function: Callable[[], Tensor], generators: list[torch.Generator]) -> Recording:
    """Record a function as a CUDA graph, on the device of the generators."""
    graph, device = torch.cuda.CUDAGraph(), generators[0].device
    for source in generators:
        graph.register_generator_state(source)
    # The stream that torch takes by default belongs to the first device it was used on.
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.device(device), torch.cuda.graph(graph, stream=stream):
        output = function()
    return graph.replay, output


class GraphStep:
    """Wraps a step: full batches replay its CUDA graph, other batches run eagerly."""

    def __init__(
        self,
        step: AnyStep,
        batch_size: int,
        say: Callable[[str], None],
        record: Record = record,
    ) -> None:
        """`say` is told, in one line, why a step cannot be captured."""
        self._step, self._batch_size, self._say, self._record = step, batch_size, say, record
        self._eager_left = EAGER_STEPS
        self._failed = False
        self._replay: Callable[[], None] | None = None
        self._index = torch.empty(0)
        self._output = torch.empty(0)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """See `AnyStep`."""
        return self._step.optimizer

    @property
    def names(self) -> list[str]:
        """See `AnyStep`."""
        return self._step.names

    @property
    def generators(self) -> list[torch.Generator]:
        """See `AnyStep`."""
        return self._step.generators

    def start_epoch(self, epoch: int) -> list[Tensor]:
        """See `AnyStep`."""
        return self._step.start_epoch(epoch)

    def __call__(self, index: Tensor) -> Tensor:
        """See `AnyStep`; the output is overwritten by the next call."""
        if self._failed or index.shape[-1] != self._batch_size:
            return self._step(index)  # the epoch's last, shorter batch
        if self._replay is None:
            if self._eager_left > 0:
                self._eager_left -= 1
                return _on_side_stream(self._step, index)
            self._capture(index)
            if self._replay is None:
                return self._step(index)
        self._index.copy_(index)
        self._replay()
        return self._output

    def _capture(self, index: Tensor) -> None:
        self._index = index.clone()
        try:
            self._replay, self._output = self._record(
                lambda: self._step(self._index), self._step.generators
            )
        except RuntimeError as error:
            self._failed = True
            # The recorded step has not run: the gradients are not valid.
            self._step.optimizer.zero_grad(set_to_none=True)
            reason = str(error).strip().partition("\n")[0]
            self._say(f"no CUDA graph for this model's step, so it runs eagerly: {reason}")


def _on_side_stream(step: AnyStep, index: Tensor) -> Tensor:
    """An eager step off the default stream, as steps before a capture must be."""
    if index.device.type != "cuda":
        return step(index)
    side = torch.cuda.Stream(index.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(index.device))
    with torch.cuda.stream(side):
        output = step(index)
    torch.cuda.current_stream(index.device).wait_stream(side)
    output.record_stream(torch.cuda.current_stream(index.device))
    return output
