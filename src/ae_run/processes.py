"""What systems do differently: child processes, stop signals, cores and memory of a process."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import IO


def start(
    command: Sequence[str], output: "IO[bytes] | int | None" = None
) -> "subprocess.Popen[bytes]":
    """Start a process in its own process group, with a pipe to its stdin.

    Ctrl-C in the terminal then reaches only the parent, which can ask its children to stop. The
    pipe closes when the parent dies, for whatever reason, so a child that reads it to the end
    notices.

    Args:
        command: the program and its arguments.
        output: where stdout and stderr go; None: to those of the parent.
    """
    if sys.platform == "win32":
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=output, stderr=output, process_group=0
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
