"""Fake runs, as the tests of the figures use them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "figures"))
import fake_run

from ae_run import figures
from ae_run.run_folder import RunFolder


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """A small fake run without figures, with the options of `fake_run.make`."""

    def make(**options: object) -> RunFolder:
        return fake_run.make(tmp_path / "run", **{"epochs": 5, **options})

    return make


@pytest.fixture(scope="session")
def drawn_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A fake run with everything in it, its figures drawn."""
    path = tmp_path_factory.mktemp("drawn") / "run"
    folder = fake_run.make(path, latent_dim=2, corrupted=True, vae=True, epochs=5)
    fake_run.add_more(folder)
    figures.draw(folder, fake_run.options("png", dpi=40, dark_page=True))
    return folder
