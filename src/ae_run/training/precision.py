"""The number format and the number of threads, chosen by fixed rules so that runs repeat."""

import torch
from torch import nn

from ae_run.config import TrainConfig
from ae_run.processes import usable_cores
from ae_run.training.length import known_epochs

WIDE = 64
"""Convolution channels from which bfloat16 is faster on a CPU that supports it (measured)."""
_DEFAULT_THREADS = torch.get_num_threads()  # before a run in this process sets its own
SMALL = 200_000
"""Training images times epochs below which a run uses one thread."""


def threads(settings: TrainConfig, images: int, device: torch.device) -> int:
    """CPU threads of a run: `train.threads`, else one for a small run, else torch's default.

    A second thread gains a small run a few seconds; but where several processes share the
    cores, each waiting for its own threads, it costs all of them a factor of ten. Torch counts
    the machine's cores, of which a container may use only a part.
    """
    if settings.threads is not None:
        return settings.threads
    small = device.type == "cpu" and images * known_epochs(settings) < SMALL
    return 1 if small else min(_DEFAULT_THREADS, usable_cores())


def choose(name: str, model: nn.Module, device: torch.device) -> str:
    """float32, bfloat16 or float64: `train.precision`, or a choice if it is auto.

    Auto chooses bfloat16 on a CPU with bfloat16 arithmetic (AMX or AVX512-BF16) for models with a
    convolution of at least `WIDE` channels, else float32.
    """
    if name != "auto":
        return name
    if device.type == "cpu" and _cpu_has_bfloat16() and _widest(model) >= WIDE:
        return "bfloat16"
    return "float32"


def _widest(model: nn.Module) -> int:
    convolutions = (nn.Conv2d, nn.ConvTranspose2d)
    return max((m.out_channels for m in model.modules() if isinstance(m, convolutions)), default=0)


def _cpu_has_bfloat16() -> bool:
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def dtype(precision: str) -> torch.dtype:
    """The dtype of weights and images; bfloat16 applies only to operations (autocast)."""
    return torch.float64 if precision == "float64" else torch.float32
