"""What systems do differently: home folders, child processes, stop signals, cores, memory."""

import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ae_run.errors import UserError


def expanded(path: str | Path) -> Path:
    """A path with `~` and `~user` as the folders that they mean.

    Raises:
        UserError: there is no such user, or the user has no home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{path}: no such user, or no home folder; write the whole path") from None


def start(
    command: Sequence[str],
    output: "IO[bytes] | int | None" = None,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start a process in its own process group, with a pipe to its stdin.

    Ctrl-C in the terminal then reaches only the parent, which can ask its children to stop. The
    pipe closes when the parent dies, for whatever reason, so a child that reads it to the end
    notices.

    Args:
        command: the program and its arguments.
        output: where stdout and stderr go; None: to those of the parent.
        environment: variables in addition to the parent's.
    """
    variables = os.environ | dict(environment) if environment else None
    if sys.platform == "win32":
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=variables,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=variables,
        process_group=0,
    )


def ask_to_stop(process: "subprocess.Popen[bytes]") -> None:
    """Send a stop signal to a process started by `start`; does nothing if it has ended."""
    with suppress(OSError):  # on Windows an ended process cannot be signalled
        if sys.platform == "win32":
            process.send_signal(signal.CTRL_BREAK_EVENT)  # SIGTERM would end it at once
        else:
            process.send_signal(signal.SIGTERM)


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals that ask a process to stop: those of Ctrl-C and of `ask_to_stop`."""
    if sys.platform == "win32":
        return signal.SIGINT, signal.SIGTERM, signal.SIGBREAK
    return signal.SIGINT, signal.SIGTERM


def usable_cores() -> int:
    """The cores that this process may use: of the machine, its affinity and its cgroup's quota."""
    from joblib import cpu_count

    return max(1, int(cpu_count()))


def release(mapped: mmap.mmap | None) -> None:
    """Give the pages of an unchanged file mapping back, where the system can be told so."""
    if sys.platform != "win32" and mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def available_memory() -> int:
    """Bytes that this process may still fill: of the machine and of its cgroup, without swap."""
    if sys.platform == "win32":
        return _windows_memory()
    if sys.platform == "darwin":
        return (memory() or 0) // 2  # what is free is not told without a program
    lines = Path("/proc/meminfo").read_text("utf-8").splitlines()
    (available,) = (int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    return min([available * 1024, *_left_in_cgroups()])


def _windows_memory() -> int:
    """Bytes of memory that Windows could give out at once."""
    import ctypes

    class Status(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
            (name, ctypes.c_ulonglong)
            for name in ("total", "available", "pages", "free_pages", "virtual", "free", "extended")
        ]

    status = Status(length=ctypes.sizeof(Status))
    windows: Any = ctypes
    windows.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.available)


_CGROUP = Path("/sys/fs/cgroup")


def _left_in_cgroups(root: Path = _CGROUP, own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """What each memory limit above this process leaves, in bytes; of containers, too.

    The system gives back the pages of files when memory gets short, so only the others count.
    """
    try:
        entries = [line.split(":", 2) for line in own.read_text("utf-8").splitlines()]
    except OSError:
        return []
    left = []
    for _, controllers, name in entries:
        if controllers == "":  # version 2
            base, limit, used = root, "memory.max", "anon"
        elif "memory" in controllers.split(","):
            base, limit, used = root / "memory", "memory.limit_in_bytes", "total_rss"
        else:
            continue
        inside = base / name.strip("/")
        for folder in [inside, *inside.parents]:
            if not folder.is_relative_to(base):
                break
            with suppress(OSError, ValueError, KeyError):  # no limit here, or not visible
                most = int((folder / limit).read_text("utf-8"))
                lines = (folder / "memory.stat").read_text("utf-8").splitlines()
                left.append(max(0, most - int(dict(line.split() for line in lines)[used])))
    return left


def memory() -> int | None:
    """Bytes of memory in this machine; None where that is not known."""
    if sys.platform == "win32":
        return None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None


def peak_memory() -> int | None:
    """The most memory that this process has held, in bytes; None where that is not counted."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB
