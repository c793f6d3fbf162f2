"""The trials of a study as last seen. A look reads only those that may have changed since.

What is done before and after every trial then takes the same time however many trials there are.
"""

from collections import Counter
from contextlib import suppress

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from ae_run import faults
from ae_run.errors import OutOfMemory

_FAILURES = 5


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
        for number in list(self.running):
            self._update(self._read(number))
        self.look_for_waiting()
        return self

    def look_for_waiting(self) -> bool:
        """Read only new trials and the first that waits; return whether there is one."""
        if not self._loaded:
            self.reload()
        with suppress(KeyError):
            while True:
                self._add(self._read(len(self._trials)))
        for number in range(self._first_waiting, len(self._trials)):
            if self._trials[number].state == TrialState.WAITING:
                self._update(self._read(number))
            if self._trials[number].state == TrialState.WAITING:
                return True
            self._first_waiting = number + 1
        return False

    def _read(self, number: int) -> FrozenTrial:
        """Read a trial.

        Raises:
            KeyError: there is none of that number.
        """
        storage = self._storage
        trial_id = storage.get_trial_id_from_study_id_trial_number(self._study_id, number)
        return storage.get_trial(trial_id)

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
