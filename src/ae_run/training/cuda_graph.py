"""A training step as a CUDA graph: captured once, then replayed with one call.

A small net's step is some hundred kernels of a few microseconds; launching each from Python takes
longer than running it. A graph launches them all at once (PyTorch's notes on CUDA semantics,
"CUDA Graphs"). It works on fixed memory: positions are copied in, loss sums copied out, and the
learning rate is a tensor. Its random numbers come from generators that it is told of, so that they
are those of the same steps taken one kernel at a time.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

EAGER_STEPS = 3
"""Steps before the capture, in which libraries choose their algorithms and optimizers make
their state."""


class AnyStep(Protocol):
    """What `Step` and its like have in common."""

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Changes the weights; its learning rate is set before each step."""

    @property
    def names(self) -> list[str]:
        """The loss terms, and `total`; known from the first step on."""

    @property
    def generators(self) -> list[torch.Generator]:
        """Where its random numbers come from, except the default generator."""

    def start_epoch(self, epoch: int) -> list[Tensor]:
        """Seed what is random in an epoch; return its batches, as positions of images."""

    def __call__(self, index: Tensor) -> Tensor:
        """Positions of images → loss sums."""


Recording = tuple[Callable[[], None], Tensor]
Record = Callable[[Callable[[], Tensor], list[torch.Generator]], Recording]
"""Records what a function does, without doing it: what replays it, and its fixed output."""


def record(function: Callable[[], Tensor], generators: list[torch.Generator]) -> Recording:
    """Record on the CUDA device of the generators."""
    graph, device = torch.cuda.CUDAGraph(), generators[0].device
    for source in generators:
        graph.register_generator_state(source)
    # The stream that torch would take by itself is of the device that came first.
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.device(device), torch.cuda.graph(graph, stream=stream):
        output = function()
    return graph.replay, output


class GraphStep:
    """Takes the same steps as the step it is given; full batches of one size by replaying."""

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
            # What was recorded has not run: the gradients hold nothing yet.
            self._step.optimizer.zero_grad(set_to_none=True)
            reason = str(error).strip().partition("\n")[0]
            self._say(f"no CUDA graph for this model's step, so it runs kernel by kernel: {reason}")


def _on_side_stream(step: AnyStep, index: Tensor) -> Tensor:
    """A step before the capture, which must not have used the default stream."""
    if index.device.type != "cuda":
        return step(index)
    side = torch.cuda.Stream(index.device)  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream(index.device))
    with torch.cuda.stream(side):
        output = step(index)
    torch.cuda.current_stream(index.device).wait_stream(side)
    output.record_stream(torch.cuda.current_stream(index.device))
    return output
