"""A block that leaves the process as it was, for callers who go on working in it.

A run sets the number of threads, seeds global generators, and configures logging. Whatever is
imported when the block begins is put back when it ends. Two things stay: imported modules, and
on Linux the allocator's habit of keeping freed memory (`devices.keep_freed_memory`).
"""

import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ae_run import processes

Restore = Callable[[], None]


@contextmanager
def kept() -> Iterator[None]:
    """Put back what the block changes, however it ends.

    Environment, working folder, signal handlers, logging, warnings filters, the global generators
    of Python, NumPy and torch, matplotlib's settings, and torch's threads, default dtype and
    backend flags.
    """
    with ExitStack() as stack, warnings.catch_warnings():
        for part in (_environment, _folder, _signals, _logging, _random):
            stack.callback(part())
        for name, later in (("numpy", _numpy), ("torch", _torch), ("matplotlib", _matplotlib)):
            if name in sys.modules:
                stack.callback(later())
        yield


def _environment() -> Restore:
    before = dict(os.environ)

    def restore() -> None:
        if dict(os.environ) != before:
            os.environ.clear()
            os.environ.update(before)

    return restore


def _folder() -> Restore:
    try:
        before = Path.cwd()
    except OSError:  # it has been removed
        return lambda: None
    return lambda: os.chdir(before)


def _signals() -> Restore:
    before = {number: signal.getsignal(number) for number in processes.stop_signals()}

    def restore() -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                if handler is not None and signal.getsignal(number) is not handler:
                    signal.signal(number, handler)

    return restore


def _logging() -> Restore:
    before = {
        logger: (logger.level, logger.disabled, logger.propagate, list(logger.handlers))
        for logger in _loggers()
    }

    def restore() -> None:
        for logger in _loggers():
            if logger in before:
                level, logger.disabled, logger.propagate, logger.handlers = before[logger]
                logger.setLevel(level)
            else:  # Hydra disables every logger that exists
                logger.disabled = False

    return restore


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in known if isinstance(logger, logging.Logger))]


def _random() -> Restore:
    before = random.getstate()
    return lambda: random.setstate(before)


def _numpy() -> Restore:
    import numpy as np

    before = np.random.get_state()
    return lambda: np.random.set_state(before)


def _torch() -> Restore:
    import torch

    threads, dtype, cpu = torch.get_num_threads(), torch.get_default_dtype(), torch.get_rng_state()
    used = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda = torch.cuda.get_rng_state_all() if used else None
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    flags = [
        (torch.backends.cudnn, "benchmark"),
        (torch.backends.cudnn, "deterministic"),
        (torch.backends.cudnn, "allow_tf32"),
        (torch.backends.cuda.matmul, "allow_tf32"),
    ]
    values = [getattr(owner, name) for owner, name in flags]

    def restore() -> None:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        else:  # as for a generator that nobody has seeded
            torch.cuda.seed_all()
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        for (owner, name), value in zip(flags, values, strict=True):
            with suppress(RuntimeError):  # a mixture of torch's old and new TF32 settings
                setattr(owner, name, value)

    return restore


def _matplotlib() -> Restore:
    import matplotlib

    before = dict(matplotlib.rcParams.copy())

    def restore() -> None:
        dict.update(matplotlib.rcParams, before)

    return restore
