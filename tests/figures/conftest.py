"""A fake run with everything in it, drawn once."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# `fake_run` is in this folder; tests/pages uses it too.
sys.path.insert(0, str(Path(__file__).parent))
import fake_run

from ae_run import figures
from ae_run.drawing import run_data
from ae_run.run_folder import RunFolder


@pytest.fixture(scope="session")
def full_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Two-dimensional codes, corrupted input, and every array that a figure can ask for."""
    path = tmp_path_factory.mktemp("full") / "run"
    folder = fake_run.make(path, latent_dim=2, corrupted=True, epochs=12)
    fake_run.add_more(folder)
    return folder


@pytest.fixture(scope="session")
def full_data(full_run: RunFolder) -> run_data.RunData:
    """What figures see of it."""
    return run_data.load(full_run)


@pytest.fixture(scope="session")
def drawn(full_run: RunFolder) -> dict[str, Path]:
    """Its files in `figures/`, by name."""
    return {path.name: path for path in figures.draw(full_run, fake_run.options())}


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """A small fake run, with the options of `fake_run.make`."""

    def make(**options: object) -> RunFolder:
        count = len(list(tmp_path.iterdir()))
        return fake_run.make(tmp_path / f"run-{count}", **{"epochs": 5, **options})

    return make
