"""What the search relies on in Optuna beyond its documentation; a failure names what changed."""

import ast
from pathlib import Path

import optuna
import pytest
from filelock import FileLock
from optuna.trial import TrialState

import ae_run.search
from ae_run.search.storage import open_storage

FILES = sorted(Path(ae_run.search.__file__).parent.glob("*.py"))


@pytest.fixture
def study(tmp_path: Path) -> optuna.Study:
    """Two waiting trials in a journal."""
    storage = open_storage(None, None, tmp_path, 0).storage
    made = optuna.create_study(storage=storage, study_name="s")
    for _ in range(2):
        made.add_trial(optuna.create_trial(state=TrialState.WAITING))
    return made


def test_no_private_name_of_optuna_is_used():
    storages = vars(optuna.storages).values()
    classes = (optuna.Study, optuna.Trial, optuna.trial.FrozenTrial, *storages)
    private = {name for kind in classes for name in dir(kind) if name[0] == "_" != name[1]}
    private |= {"_storage", "_study_id", "_trial_id", "_backend"}  # set on objects
    used = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("optuna"):
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                used += [(path.name, name) for name in names if name.startswith("_")]
            if isinstance(node, ast.Attribute) and node.attr in private:
                own = isinstance(node.value, ast.Name) and node.value.id == "self"
                used += [] if own else [(path.name, node.attr)]
    assert used == []


def test_a_storage_lets_a_waiting_trial_run_once(study, tmp_path):
    storage = open_storage(None, None, tmp_path, 0).storage
    assert storage.set_trial_state_values(0, TrialState.RUNNING)
    trial = optuna.Trial(study, 0)
    study.tell(trial, trial.suggest_float("a", 0, 1))
    again = "a trial can be taken twice: TrialQueue.take depends on it"
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        assert not storage.set_trial_state_values(0, TrialState.RUNNING), again
    other = open_storage(None, None, tmp_path, 0).storage
    assert other.set_trial_state_values(1, TrialState.RUNNING)
    assert not storage.set_trial_state_values(1, TrialState.RUNNING), again


def test_a_running_trial_can_be_failed_by_its_number(study):
    number = study.ask().number
    study.tell(number, state=TrialState.FAIL)
    assert study.trials[number].state == TrialState.FAIL, (
        "Study.tell no longer takes a number: TrialQueue.repair depends on it"
    )


def test_telling_a_finished_trial_returns_what_it_was(study):
    trial = study.ask()
    study.tell(trial.number, state=TrialState.FAIL)
    told = study.tell(trial, 1.0, TrialState.COMPLETE, skip_if_finished=True)
    assert told.state == TrialState.FAIL, (
        "Study.tell(skip_if_finished=True) no longer returns the stored state: "
        "TrialQueue.tell depends on it"
    )
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        trial.report(1.0, 1)


def test_a_storage_changes_a_waiting_trial(study, tmp_path):
    storage = open_storage(None, None, tmp_path, 0).storage
    study_id = storage.get_study_id_from_name("s")
    trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, 1)
    storage.set_trial_user_attr(trial_id, "dropped", True)
    storage.set_trial_state_values(trial_id, TrialState.FAIL)
    changed = study.get_trials()[1]
    assert (changed.state, changed.user_attrs) == (TrialState.FAIL, {"dropped": True}), (
        "a storage no longer changes a waiting trial: TrialQueue.fill depends on it"
    )


def test_a_journal_takes_any_lock_with_acquire_and_release(tmp_path):
    lock = FileLock(tmp_path / "lock")
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "journal"), lock)
    backend.append_logs([{"a": 1}])
    assert list(backend.read_logs(0)) == [{"a": 1}], (
        "JournalFileBackend needs another kind of lock: open_storage gives it a FileLock"
    )
    assert not lock.is_locked


def test_a_study_uses_a_cached_storage_as_it_is(tmp_path):
    database = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/s.db")
    storage = optuna.storages.get_storage(database)
    calls = []
    original = storage.get_all_trials
    storage.get_all_trials = lambda *a, **k: calls.append(a) or original(*a, **k)
    try:
        optuna.create_study(storage=storage).get_trials()
        assert calls, "a Study wraps the storage it is given: patient calls are not reached"
        assert isinstance(storage, optuna.storages.BaseStorage)
        assert type(storage) is not optuna.storages.RDBStorage, "get_storage no longer adds a cache"
    finally:
        database.remove_session()
        database.engine.dispose()
