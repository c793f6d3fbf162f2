"""What the tests of the search share."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from ae_run import components
from ae_run.search import study
from ae_run.search.config import SearchConfig
from ae_run.search.storage import Opened, open_storage

FAST = (
    "task=search",
    "data.limit=80",
    "train.epochs=4",
    "train.batch_size=32",
    "evaluate=quick",
    "search.n_trials=6",
    "search.refit=none",
    "search.sampler=random",
    "search.workers=1",
)
"""A search of a few seconds."""
SPACE = "search.space=[train.lr=log(1e-4,1e-1),model.latent_dim=int(2,10)]"
JOURNAL = "outputs/search/s/journal.log"


def trials(storage: str = JOURNAL, name: str = "s") -> list[FrozenTrial]:
    """What a study holds; none while it is not there."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if "://" not in storage:
        if not Path(storage).exists():
            return []
        backend = optuna.storages.journal.JournalFileBackend(storage)
        return _trials(optuna.storages.JournalStorage(backend), name)
    opened = optuna.storages.RDBStorage(storage)
    try:
        return _trials(opened, name)
    finally:
        opened.remove_session()
        opened.engine.dispose()


def _trials(storage: optuna.storages.BaseStorage, name: str) -> list[FrozenTrial]:
    try:
        return optuna.load_study(study_name=name, storage=storage).trials
    except KeyError:
        return []


def leaves(found: list[FrozenTrial]) -> list[FrozenTrial]:
    """The last trial of each slot."""
    again = {t.user_attrs.get("retry_of") for t in found}
    return [t for t in found if t.number not in again and "dropped" not in t.user_attrs]


def start(*args: str, **options: object) -> subprocess.Popen[str]:
    """`ae-run` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "ae_run", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def children(pid: int) -> list[int]:
    """Processes that this one started."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def kill_all(process: subprocess.Popen[str]) -> list[int]:
    """SIGKILL a search and its process group; its workers' ids."""
    workers = children(process.pid)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return workers


def states(found: list[FrozenTrial]) -> list[TrialState]:
    """Their states."""
    return [t.state for t in found]


def new_queue(folder: Path, opened: Opened | None = None) -> study.TrialQueue:
    """A study of one parameter."""
    study.quiet()
    content = yaml.safe_load((components.conf_dir() / "search/default.yaml").read_text())
    options = SearchConfig.model_validate(content | {"space": "[a=float(0,1)]"})
    opened = opened or open_storage(None, None, folder, 0)
    return study.open_study(opened, folder, "s", options, 0, 4)
