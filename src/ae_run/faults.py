"""Errors of the machine's disk and memory, which no values of a run cause, in one line."""

import errno
import os
import re

from ae_run import processes
from ae_run.errors import AeRunError, MachineFault, OutOfMemory

_NAMES = (
    *("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO"),
    *("ENOMEM", "EMFILE", "ENFILE", "ESTALE"),
)
_TEXTS = [os.strerror(getattr(errno, name)) for name in _NAMES if hasattr(errno, name)]
_OVERFLOW = (
    "storage size calculation overflowed",
    "array is too big",
    "maximum allowed dimension exceeded",
)
"""How PyTorch and NumPy say, in small letters, that no machine has such an array."""
_MEMORY = (
    *("memoryerror", "out of memory", "not enough memory", "can't allocate memory"),
    *("invalid buffer size", *_OVERFLOW),
)
"""How they and the devices say that memory is short."""
_ASKED = re.compile(r"allocate ([\d.]+\d) ?([kmgtpe]?i?b|bytes)\b")
_UNITS = " kmgtpe"
_ADVICE = "try a smaller model, train.batch_size or evaluate.batch_size"


def of(error: BaseException) -> AeRunError | None:
    """The error as a `MachineFault` or `OutOfMemory`, in one line; None if it is neither."""
    if isinstance(error, MachineFault | OutOfMemory):
        return error
    if isinstance(error, AeRunError):
        return None
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return MachineFault(f"{where}{error.strerror or error}")
    return _memory(f"{type(error).__name__}: {error}")


def of_reason(reason: str) -> AeRunError | None:
    """The same for the text of an error, as a study keeps it."""
    if any(text in reason for text in _TEXTS):
        return MachineFault(reason)
    return _memory(reason)


def _memory(text: str) -> OutOfMemory | None:
    text = text.lower()
    if not any(said in text for said in _MEMORY):
        return None
    on_device = re.search(r"\b(cuda|hip|mps)\b", text) is not None
    there = None if on_device else processes.memory()
    asked = _asked(text)
    facts = [f"{asked / 1e9:,.1f} GB asked for at once"] if asked else []
    facts += [f"{there / 1e9:,.1f} GB in this machine"] if there else []
    too_large = any(said in text for said in _OVERFLOW) or bool(asked and there and asked > there)
    where = "not enough memory on the device" if on_device else "not enough memory"
    told = f"{where} ({', '.join(facts)})" if facts else where
    return OutOfMemory(f"{told}; {_ADVICE}", by_values=on_device or too_large)


def _asked(text: str) -> float | None:
    """The bytes that an allocation failed for, as PyTorch and NumPy write them."""
    match = _ASKED.search(text)
    if match is None:
        return None
    unit = match[2]
    power = 0 if unit in ("b", "bytes") else _UNITS.index(unit[0])
    return float(match[1]) * float((1024 if "i" in unit else 1000) ** power)
