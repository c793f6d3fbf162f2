"""One search by several jobs of a launcher."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from optuna.trial import TrialState
from search_helpers import FAST, SPACE, trials

pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs hydra-submitit-launcher")
LAUNCH = ("-m", "hydra/launcher=submitit_local", *FAST, SPACE, "search.name=s", "worker=range(2)")


pytestmark = pytest.mark.slow


def launched(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ae_run", *LAUNCH, *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_jobs_of_a_launcher_join_in_one_search():
    done = launched("search.n_trials=6", "search.refit=train", "search.pruner=none")
    assert done.returncode == 0, done.stderr
    assert [t.state for t in trials()] == [TrialState.COMPLETE] * 6
    workers = {t.user_attrs["facts"]["worker"] for t in trials()}
    assert workers <= {"0.0", "1.0"}
    assert json.loads(Path("outputs/search/s/search.json").read_text())["trials"] == 6
    assert len(list(Path("outputs/search/s/refit").glob("*/metrics.json"))) == 1


def test_a_job_that_fails_makes_the_command_fail():
    done = launched("search.space=[train.lrr=log(1,2)]")
    assert done.returncode == 2
    assert "exit code 2" in done.stderr
    assert "Traceback" not in done.stderr
