"""Which process works on a trial, and whether it still does.

A process is told apart by host, boot, pid namespace, pid and start: a pid alone comes back.
"""

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

Owner = dict[str, str | int | None]


def me() -> Owner:
    """This process."""
    pid = os.getpid()
    return {**_machine(), "pid": pid, "start": _start(pid)}


def is_dead(owner: Owner) -> bool | None:
    """Whether that process has ended; None where that cannot be seen from here."""
    here = _machine()
    if owner.get("host") != here["host"]:
        return None
    if owner.get("boot") != here["boot"]:
        return True
    if owner.get("namespace") != here["namespace"]:
        return None
    return _start(int(owner["pid"] or 0)) != owner.get("start")


@cache
def _machine() -> Owner:
    return {
        "host": platform.node(),
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "namespace": _link("/proc/self/ns/pid"),
    }


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def _link(path: str) -> str | None:
    try:
        return str(Path(path).readlink())
    except OSError:
        return None


def _start(pid: int) -> str | None:
    """When a process began, in its machine's own terms; None where there is none."""
    stat = _read(f"/proc/{pid}/stat")
    if stat is not None:
        fields = stat.rpartition(")")[2].split()  # the name may hold spaces
        return None if fields[0] in "ZX" else fields[19]
    if Path("/proc/self/stat").exists():
        return None
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, start = answer.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else start.strip()
