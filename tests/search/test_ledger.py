"""What is known of a study's trials, without reading all of them."""

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState
from search_helpers import leaves, new_queue

from ae_run.search import ledger
from ae_run.search.ledger import Ledger
from ae_run.search.sessions import Sessions
from ae_run.search.study import TrialQueue


def work(queue: TrialQueue, state: TrialState, value: float | None = None, **attrs: object) -> int:
    """Take a trial and finish it; its number."""
    with queue.take("session") as taken:
        assert taken is not None
        trial, _ = taken
        for name, attr in attrs.items():
            trial.set_user_attr(name, attr)
        queue.tell(trial, state, value)
        return trial.number


def told(trials: list[FrozenTrial]) -> list[tuple[int, TrialState]]:
    return [(t.number, t.state) for t in trials]


@pytest.fixture
def queues(tmp_path) -> tuple[TrialQueue, TrialQueue]:
    """A study as two processes have it opened."""
    return new_queue(tmp_path), new_queue(tmp_path)


def test_a_look_sees_what_another_process_did(queues):
    here, there = queues
    here.fill(6)
    here.ledger.look()
    work(there, TrialState.COMPLETE, 2.0)
    work(there, TrialState.COMPLETE, 1.0)
    work(there, TrialState.FAIL, reason="the loss is not finite")
    work(there, TrialState.FAIL)
    with there.take("session"):
        there.repair(Sessions(there.study))  # lets the fourth wait again, as number 6
        looked = here.ledger.look()
        assert told(list(looked.last.values())) == told(
            [*there.trials()[:3], there.trials()[6], *there.trials()[4:6]]
        )
        assert list(looked.running) == [4]
    assert {s.name: n for s, n in looked.counts.items() if n} == {
        "COMPLETE": 2,
        "FAIL": 1,
        "RUNNING": 1,
        "WAITING": 2,
    }
    assert (looked.finished, looked.best.number, looked.is_hopeless) == (3, 1, False)
    assert len(looked) == 7


@pytest.mark.parametrize("few", [0, 8])
def test_looks_and_one_reading_of_all_trials_agree_at_every_step(few, queues, monkeypatch):
    monkeypatch.setattr(ledger, "_FEW", few)  # up to which running trials are read one by one
    here, there = queues
    here.fill(12)
    sessions = Sessions(there.study)
    for step in range(12):
        if step % 3 == 1:
            work(there, TrialState.COMPLETE, float(step % 5))
        elif step % 3 == 2:
            work(there, TrialState.FAIL, reason="No space left on device")
            there.repair(sessions)
        else:
            work(there, TrialState.FAIL, owner={"host": "h", "pid": 1})
        looked = here.ledger.look()
        seen = told(list(looked.last.values())), looked.finished, looked.best, looked.is_hopeless
        assert sorted(seen[0]) == sorted(told(leaves(there.trials())))
        fresh = there.slots(), there.ledger.finished, there.ledger.best, there.ledger.is_hopeless
        assert (seen[0], *seen[1:]) == (told(fresh[0]), *fresh[1:])


def test_trials_that_another_process_drops_are_not_waited_for(queues):
    here, there = queues
    here.fill(5)
    here.ledger.look()
    there.fill(2)
    for _ in range(2):
        work(here, TrialState.COMPLETE, 1.0)
    assert here.ledger.look().total == 2
    assert here.ledger.counts[TrialState.WAITING] == 0
    assert len(here.ledger.last) == 2


def test_the_best_trial_has_the_best_first_score_in_either_direction():
    for direction, best in (("minimize", 1), ("maximize", 0)):
        storage = optuna.storages.InMemoryStorage()
        study = optuna.create_study(storage=storage, study_name="s", direction=direction)
        for value in (2.0, 1.0, 2.0, 1.0):
            study.add_trial(optuna.create_trial(value=value))
        assert Ledger(study, storage).look().best.number == best


def test_a_search_is_hopeless_once_its_first_trials_failed_by_themselves(tmp_path):
    queue = new_queue(tmp_path)
    queue.fill(8)
    for done in range(1, 6):
        work(queue, TrialState.FAIL, reason="the loss is not finite")
        assert queue.ledger.look().is_hopeless == (done == 5)
    work(queue, TrialState.COMPLETE, 1.0)
    assert not queue.ledger.look().is_hopeless


def test_a_score_leads_unless_another_process_has_one_as_good(queues):
    here, there = queues
    here.fill(3)
    assert here.ledger.leads(5.0)
    work(there, TrialState.COMPLETE, 2.0)
    assert not here.ledger.leads(2.0)
    assert not here.ledger.leads(3.0)
    assert here.ledger.leads(1.0)
