"""Runs trained by a call, once for all tests that only look at them."""

from pathlib import Path

import pytest
from api_helpers import FAST

import ae_run


@pytest.fixture(scope="session")
def vae(tmp_path_factory: pytest.TempPathFactory) -> "ae_run.Run":
    """A variational model of digits."""
    path: Path = tmp_path_factory.mktemp("api") / "vae"
    return ae_run.train("model=vae", *FAST, {"run_dir": path})


@pytest.fixture(scope="session")
def denoiser(tmp_path_factory: pytest.TempPathFactory) -> "ae_run.Run":
    """A denoising model, which has no prior, of coloured digits."""
    path: Path = tmp_path_factory.mktemp("api") / "denoiser"
    return ae_run.train("model=denoising", "data=colored_digits", *FAST, {"run_dir": path})
