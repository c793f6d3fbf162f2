"""Fixtures for all tests: an empty folder to run in, a cache of its own, and the command line."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

# One thread per test process, so that several run side by side; before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests run in folders of their own.
if "AE_RUN_DATA" in os.environ:
    os.environ["AE_RUN_DATA"] = str(Path(os.environ["AE_RUN_DATA"]).resolve())

from command_line import Result

import ae_run


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
