"""Optimizers and learning-rate schedules by name."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ae_run.config import TrainConfig

Schedule = Callable[[int, int, float], float]
"""(step, steps, warmup) → factor on the learning rate; `warmup` is a fraction of all steps."""


CAPTURABLE = ("adam", "adamw", "sgd")
"""Optimizers that work in a CUDA graph: they read their learning rate on the device."""


def build(
    config: TrainConfig, parameters: Iterable[nn.Parameter], device: torch.device
) -> torch.optim.Optimizer:
    """The optimizer that `train.optimizer` names, fused if possible.

    On CUDA, those in `CAPTURABLE` keep their learning rate on the device.
    """
    parameters = list(parameters)
    decay = config.weight_decay
    cuda = device.type == "cuda"
    capture = cuda and config.optimizer in CAPTURABLE
    lr = torch.tensor(config.lr, device=device) if capture else config.lr
    fused = cuda or device.type == "cpu"
    match config.optimizer:
        case "adam":
            return torch.optim.Adam(
                parameters, lr, weight_decay=decay, fused=fused, capturable=capture
            )
        case "adamw":
            return torch.optim.AdamW(
                parameters, lr, weight_decay=decay, fused=fused, capturable=capture
            )
        case "adamax":
            return torch.optim.Adamax(parameters, lr, weight_decay=decay)
        case "rmsprop":
            return torch.optim.RMSprop(parameters, lr, weight_decay=decay, momentum=config.momentum)
        case "sgd":
            return torch.optim.SGD(parameters, lr, config.momentum, weight_decay=decay, fused=fused)


def load_state(optimizer: torch.optim.Optimizer, saved: Mapping[str, Any]) -> None:
    """Load an optimizer's saved state, from any device; the options are not changed.

    Raises:
        ValueError: it is the state of other weights.
    """
    if len({frozenset(state) for state in saved["state"].values()}) > 1:
        raise ValueError("the state of some weights is incomplete")
    options = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": saved["state"], "param_groups": options})
    # Fused optimizers walk through memory: a weight's state must have the weight's layout.
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if value.numel() != 1 and value.shape != weight.shape:
                raise ValueError(f"{name} has the shape {(*value.shape,)}, not {(*weight.shape,)}")
            if value.shape == weight.shape:
                state[name] = torch.empty_like(weight, dtype=value.dtype).copy_(value)


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """The learning rate of step number `step`, from 0, out of `steps`."""
    return config.lr * SCHEDULES[config.schedule](step, steps, config.warmup)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Use this learning rate from the next step on."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)  # a CUDA graph reads it there
        else:
            group["lr"] = lr


def constant(step: int, steps: int, warmup: float) -> float:  # noqa: ARG001
    """The same rate throughout, whatever the number of steps."""
    return 1.0


def cosine(step: int, steps: int, warmup: float) -> float:
    """Linear warm-up from 0, then half a cosine down to 0 (Loshchilov and Hutter 2017)."""
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return _cosine(1.0, 0.0, (step - rising) / max(1.0, steps - rising))


def onecycle(step: int, steps: int, warmup: float) -> float:
    """1/25 up to 1 and down to 1/250,000, each along half a cosine (Smith and Topin 2018)."""
    last, peak = max(1, steps - 1), warmup * (steps - 1)
    if step < peak:
        return _cosine(1 / 25, 1.0, step / peak)
    return _cosine(1.0, 1 / 250_000, (step - peak) / max(1e-9, last - peak))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, share))) / 2


SCHEDULES: dict[str, Schedule] = {"constant": constant, "cosine": cosine, "onecycle": onecycle}
