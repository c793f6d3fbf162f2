"""A run to hand over, trained once."""

from pathlib import Path

import pytest
from command_line import FAST

import ae_run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> "ae_run.Run":
    """A variational model of digits."""
    path: Path = tmp_path_factory.mktemp("handover") / "run"
    return ae_run.train("model=vae", *FAST, "device=cpu", {"run_dir": path})
