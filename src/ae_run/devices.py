"""Devices to compute on, and their memory."""

import ctypes
import os
import platform
import sys

import torch

from ae_run.errors import UserError


def resolve(name: str) -> torch.device:
    """The device that `device=` names; auto prefers CUDA, then Apple's MPS, then the CPU.

    Raises:
        UserError: this machine has no such device.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if count else "mps" if mps else "cpu"
    there = ["auto", "cpu"] + ["cuda"] * (count > 0) + [f"cuda:{i}" for i in range(count)]
    there += ["mps"] * mps
    if name not in there:
        raise UserError(f"device={name}: not available here; choices: {', '.join(there)}")
    device = torch.device(name)
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def shared(name: str) -> int:
    """How many devices several processes share by `share`: the GPUs, unless `name` says which."""
    return max(1, torch.cuda.device_count()) if name in ("auto", "cuda") else 1


def share(name: str, number: int) -> dict[str, str]:
    """The environment of the process `number` of several, each of which has one GPU, in turn.

    Args:
        name: `device`; a GPU that it names itself is left to all of them.
        number: of the process, from 0.

    Returns:
        `CUDA_VISIBLE_DEVICES`; nothing where there are not several GPUs.
    """
    count = shared(name)
    if count < 2:
        return {}
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = listed.split(",") if listed else [str(index) for index in range(count)]
    return {"CUDA_VISIBLE_DEVICES": visible[number % count].strip()}


def describe(device: torch.device) -> str:
    """A readable name of the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    name = capabilities.get("cpu_name") or platform.processor() or platform.machine()
    count = torch.get_num_threads()
    threads = "1 thread" if count == 1 else f"{count} threads"
    return f"{name} ({threads})" if device.type == "cpu" else device.type


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h


def keep_freed_memory() -> None:
    """Have this process reuse the memory of freed tensors instead of returning it to the system.

    A training step frees megabytes of activations and then allocates the same again. In between,
    glibc may return them to the kernel, which zeroes every page it hands out: 800 page faults per
    step in the lab net, 6,000 in one with 128 channels, 16 to 19 % of the step (measured). Does
    nothing if the C library has no `mallopt`.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # Older versions take at most 32 MiB; setting only the other option would make matters worse.
    if mallopt is not None and any(mallopt(M_MMAP_THRESHOLD, n) for n in (1 << 30, 32 << 20)):
        mallopt(M_TRIM_THRESHOLD, 1 << 30)


def return_freed_memory() -> None:
    """Return to the system the memory that was freed until now; see `keep_freed_memory`.

    What is computed next has tensors of other sizes, which do not fit into the gaps.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
