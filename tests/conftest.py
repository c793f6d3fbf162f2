"""Fixtures for all tests: an empty folder to run in, a cache of its own, and the command line."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

# One thread per test process, so that several run side by side; before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests run in folders of their own.
if "AE_RUN_DATA" in os.environ:
    os.environ["AE_RUN_DATA"] = str(Path(os.environ["AE_RUN_DATA"]).resolve())

import ae_run

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


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, with an empty cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run `ae-run` in this process."""

    def run(*args: str) -> Result:
        capsys.readouterr()
        code = ae_run.main(list(args))
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


def run_process(
    args: Sequence[str], check: bool = False, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run `python …` in a process of its own and wait for it."""
    command = [sys.executable, *args]
    return subprocess.run(command, capture_output=True, text=True, check=check, **options)  # type: ignore[call-overload,no-any-return]
