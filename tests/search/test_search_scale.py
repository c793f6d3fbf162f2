"""What a search reads between two trials: as much after a hundred of them as after ten."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from search_helpers import FAST, SPACE, new_queue

from ae_run.search import task
from ae_run.search.storage import open_storage
from ae_run.search.trial import Objective


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What the main thread reads of a journal: its lines, and trials, one by one or listed."""
    counts: Counter[str] = Counter()
    lines, one, every = (
        JournalFileBackend.read_logs,
        JournalStorage.get_trial,
        JournalStorage.get_all_trials,
    )

    def count(what: str, number: int = 1) -> None:
        if threading.current_thread() is threading.main_thread():  # another one beats
            counts[what] += number

    def read_lines(*args: Any) -> Iterator[dict[str, Any]]:
        for line in lines(*args):
            count("lines")
            yield line

    def read_one(*args: Any) -> optuna.trial.FrozenTrial:
        count("trials")
        return one(*args)

    def read_every(*args: Any, **options: Any) -> list[optuna.trial.FrozenTrial]:
        found = every(*args, **options)
        count("lists")
        count("listed", len(found))
        return found

    monkeypatch.setattr(JournalFileBackend, "read_logs", read_lines)
    monkeypatch.setattr(JournalStorage, "get_trial", read_one)
    monkeypatch.setattr(JournalStorage, "get_all_trials", read_every)
    return counts


def test_a_trial_reads_as_much_after_many_trials_as_after_few(cli, read, monkeypatch):
    seen = []

    def train(_: Objective, trial: optuna.Trial, *given: Any) -> bool:
        seen.append(read.copy())
        given[-1].update(score=float(trial.number), epochs=1, best_epoch=1, parameters=1)
        return False

    monkeypatch.setattr(Objective, "_train", train)
    monkeypatch.setattr(task, "_finish", lambda *_: None)
    result = cli(*FAST, SPACE, "search.name=s", "search.n_trials=115", "search.pruner=none")
    assert result.code == 0, result.err
    assert len(seen) == 115
    # Some trials are added at a time, always as many, so that 32 trials have two such additions.
    early, late = (seen[start + 32] - seen[start] for start in (16, 64))
    assert early == late
    assert early["lines"] > 32


def test_a_worker_among_many_lists_all_trials_only_to_add_more(tmp_path, read):
    opened = open_storage(None, None, tmp_path, 0)
    queue, others = new_queue(tmp_path, opened), new_queue(tmp_path)
    queue.fill(200)
    for _ in range(20):  # which run on
        others.take("other").__enter__()
    spent = []
    for done in range(64):
        before = read.copy()
        with queue.take("session") as taken:
            assert taken is not None
            assert queue.ledger.leads(2.0 + done) == (not done)
            queue.tell(taken[0], TrialState.COMPLETE, 2.0 + done)
        spent.append(read - before)
    with_lists_of_all = [one for one in spent if one["listed"] > 20]
    assert len(with_lists_of_all) <= 64 // 16 + 2
