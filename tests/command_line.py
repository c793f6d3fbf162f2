"""What tests of the command line share."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FAST = ["data.limit=80", "train.epochs=2", "train.batch_size=32", "evaluate=quick"]
"""A run of a second or two on built-in data."""


@dataclass
class Result:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def folder(self) -> Path:
        """The run folder that it printed last."""
        line = next(line for line in reversed(self.out.splitlines()) if line.startswith("folder "))
        return Path(line.split(maxsplit=1)[1])


def run_process(
    args: Sequence[str], check: bool = False, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run `python …` in a process of its own and wait for it."""
    command = [sys.executable, *args]
    return subprocess.run(command, capture_output=True, text=True, check=check, **options)  # type: ignore[call-overload,no-any-return]
