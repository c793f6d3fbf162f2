"""The trials of a study as last seen. A look follows only those that may have changed since.

What is done before and after every trial then takes the same time however many trials there are.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ae_run import faults
from ae_run.errors import OutOfMemory

_FAILURES = 5
_FEW = 8  # running trials that are read one by one: a database is asked several times for each
_TOTAL = "total"


class Ledger:
    """What each slot of a study is at: one of the N trials asked for, with its retries."""

    def __init__(self, study: optuna.Study, storage: BaseStorage) -> None:
        self._study = study
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(study.study_name)
        self._sign = -1 if study.directions[0] == StudyDirection.MAXIMIZE else 1
        self._loaded = False
        self._clear()

    def _clear(self) -> None:
        self._trials: list[FrozenTrial] = []
        self._slots: dict[int, int] = {}
        """Trial → the number of its slot's first trial."""
        self._first_waiting = 0
        """Every trial before it has been taken; it need not wait itself."""
        self._by_themselves: set[int] = set()
        """Slots that failed by themselves."""
        self.last: dict[int, FrozenTrial] = {}
        """The last trial of each slot, by the number of the first."""
        self.counts: Counter[TrialState] = Counter()
        """Slots by the state of their last trial."""
        self.running: dict[int, FrozenTrial] = {}
        """By number."""
        self.unsettled: dict[int, FrozenTrial] = {}
        """Failed not by themselves, by number: they may have to be repeated."""
        self.best: FrozenTrial | None = None
        """The complete trial with the best first objective."""

    def __len__(self) -> int:
        """Number of trials; dropped ones and retries count."""
        return len(self._trials)

    @property
    def finished(self) -> int:
        """Number of slots that are finished."""
        return sum(n for state, n in self.counts.items() if state.is_finished())

    @property
    def total(self) -> int:
        """Number of slots asked for; most of those that wait are added to the study later."""
        asked: int = self._storage.get_study_user_attrs(self._study_id).get(_TOTAL, 0)
        return max(asked, len(self.last))

    @total.setter
    def total(self, count: int) -> None:
        self._study.set_user_attr(_TOTAL, count)

    @property
    def is_hopeless(self) -> bool:
        """Whether the first slots, and all that are finished, failed by themselves."""
        enough = min(_FAILURES, len(self.last))
        return self.finished >= enough and self.finished == len(self._by_themselves)

    def reload(self) -> None:
        """Read all trials."""
        self._clear()
        for trial in self._study.get_trials(deepcopy=False):
            self._add(trial)
        self._loaded = True

    def look(self) -> "Ledger":
        """Read what may have changed: running trials, the first that waits, and new ones.

        Waiting trials are taken in the order of their numbers, and finished ones stay as they are.
        """
        if not self._loaded:
            self.reload()
        elif len(self.running) > _FEW:
            self._follow(self._study.get_trials(deepcopy=False).__getitem__)
        else:
            self._follow(self._read)
        return self

    def _follow(self, read: Callable[[int], FrozenTrial]) -> None:
        for number in list(self.running):
            self._update(read(number))
        with suppress(LookupError):
            while True:
                self._add(read(len(self._trials)))
        for number in range(self._first_waiting, len(self._trials)):
            if self._trials[number].state == TrialState.WAITING:
                self._update(read(number))
            if self._trials[number].state == TrialState.WAITING:
                break
            self._first_waiting = number + 1

    def leads(self, score: float) -> bool:
        """Whether no complete trial is as good; looks only if none of those seen is."""
        return not self._has(score) and not self.look()._has(score)

    def _has(self, score: float) -> bool:
        best = self.best
        return best is not None and self._sign * best.values[0] <= self._sign * score

    def id_of(self, number: int) -> int:
        """A trial's id in the storage.

        Raises:
            KeyError: there is none of that number.
        """
        return self._storage.get_trial_id_from_study_id_trial_number(self._study_id, number)

    def _read(self, number: int) -> FrozenTrial:
        return self._storage.get_trial(self.id_of(number))

    def _add(self, trial: FrozenTrial) -> None:
        before = trial.user_attrs.get("retry_of", trial.number)
        self._slots[trial.number] = self._slots.get(before, trial.number)
        self._trials.append(trial)
        self._update(trial)

    def _update(self, trial: FrozenTrial) -> None:
        number, slot = trial.number, self._slots[trial.number]
        self._trials[number] = trial
        self.running.pop(number, None)
        if trial.state == TrialState.RUNNING:
            self.running[number] = trial
        old = self.last.get(slot)
        if old is not None:
            if old.number > number:  # another process has let it wait again in the meantime
                return
            self.counts[old.state] -= 1
            self.unsettled.pop(old.number, None)
            self._by_themselves.discard(slot)
        if "dropped" in trial.user_attrs:
            self.last.pop(slot, None)
            return
        self.last[slot] = trial
        self.counts[trial.state] += 1
        if trial.state == TrialState.COMPLETE:
            known = [trial] if self.best is None else [trial, self.best]
            self.best = min(known, key=lambda t: (self._sign * t.values[0], t.number))
        elif trial.state == TrialState.FAIL and failed_by_itself(trial):
            self._by_themselves.add(slot)
        elif trial.state == TrialState.FAIL:
            self.unsettled[number] = trial


def failed_by_itself(trial: FrozenTrial) -> bool:
    """Whether a trial's values are to blame for its end.

    Version 0.1.0 stored the machine's faults as reasons, too.
    """
    reason = trial.user_attrs.get("reason")
    if reason is None:
        return False
    fault = faults.of_reason(reason)
    if isinstance(fault, OutOfMemory):
        return fault.by_values or trial.user_attrs.get("deaths", 0) > 0
    return fault is None
