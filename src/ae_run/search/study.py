"""The study as a queue: exactly N trials, however many processes start, work on it, or die.

A study has some WAITING trials, and workers take only those; more are added when they are taken. A
trial whose worker died is failed and waits again, once, as a new trial with `retry_of`; so the
trials without that attribute are the slots, and their number is `search.n_trials`.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from ae_run import faults
from ae_run.errors import MachineFault, UserError
from ae_run.run_folder import RunFolder
from ae_run.saved_config import upgraded_texts
from ae_run.search import samplers
from ae_run.search.config import SearchConfig
from ae_run.search.ledger import Ledger
from ae_run.search.sessions import Sessions, is_dead, owner
from ae_run.search.space import parse
from ae_run.search.storage import Opened, StorageLost

_AHEAD = 16
"""Trials that wait in the study. A database would send all of them to whoever reads its trials."""
_STOPPED = ".stopped"
"""A file in the folder of a trial that was stopped."""


def quiet() -> None:
    """Turn off Optuna's own messages; the search prints its own."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class TrialQueue:
    """A study, with the lock that all processes on it share."""

    study: optuna.Study
    opened: Opened
    folder: Path
    """Of this search; a trial's own is `trials/<number>` in it."""
    ledger: Ledger

    def trials(self) -> list[FrozenTrial]:
        """All trials, as stored now."""
        return self.study.get_trials(deepcopy=False)

    def slots(self) -> list[FrozenTrial]:
        """The last trial of each slot, as stored now."""
        self.ledger.reload()
        return list(self.ledger.last.values())

    def identify(self, identity: Mapping[str, Any]) -> None:
        """Store what identifies the search, or compare it with what is stored.

        Raises:
            UserError: they differ; the message says in what.
        """
        with self.opened.lock():
            known = self.study.user_attrs.get("identity")
            if known is None:
                self.study.set_user_attr("identity", dict(identity))
                return
        # Of the keys added since, only those count that tell searches apart.
        upgraded = upgraded_texts(known)
        known = {k: text for k, text in upgraded.items() if k in known or k in identity}
        keys = [k for k in {**known, **identity} if not _same(known.get(k), identity.get(k))]
        if not keys:
            return
        told = [f"{k} is {_text(known, k)} there, {_text(identity, k)} here" for k in keys[:5]]
        more = f", and {len(keys) - 5} more" if len(keys) > 5 else ""
        raise UserError(
            f"search.name={self.study.study_name}: is another search: {'; '.join(told)}{more}; "
            "give this one another search.name"
        )

    def fill(self, count: int) -> None:
        """Ask for `count` slots in all: add waiting trials, or drop those that are too many."""
        with self.opened.lock():
            self.ledger.total = count
            have = self.slots()
            waiting = [t for t in have if t.state == TrialState.WAITING]
            surplus = waiting[len(waiting) - max(0, len(have) - count) :]
            for trial in surplus:
                self._drop(trial.number)
            if surplus:
                self.ledger.reload()
            self._add_waiting()

    def _add_waiting(self) -> None:
        ledger = self.ledger.look()
        missing, waiting = ledger.total - len(ledger.last), ledger.counts[TrialState.WAITING]
        for _ in range(min(missing, _AHEAD - waiting)):
            self.study.add_trial(optuna.create_trial(state=TrialState.WAITING))

    def _drop(self, number: int) -> None:
        # Only the storage changes a trial that has not been taken.
        trial_id = self.ledger.id_of(number)
        self.opened.storage.set_trial_user_attr(trial_id, "dropped", True)
        self.opened.storage.set_trial_state_values(trial_id, TrialState.FAIL)

    @contextmanager
    def take(self, session: str) -> Iterator[tuple[optuna.Trial, RunFolder] | None]:
        """Take a waiting trial and make its folder; None if no trial is waiting.

        The folder stays locked until the block ends: the lock shows that the trial's process is
        alive, since the system frees it when that process dies.
        """
        with ExitStack() as held:
            taken = None
            with self.opened.lock():
                trial = self._first_waiting()
                if trial is None:
                    self._add_waiting()
                    trial = self._first_waiting()
                if trial is not None:
                    folder = RunFolder(self.folder / "trials" / str(trial.number), quiet=True)
                    folder.path.mkdir(parents=True)
                    held.enter_context(folder.lock())
                    trial.set_user_attr("owner", owner(folder.path) | {"session": session})
                    taken = trial, folder
            yield taken

    def _first_waiting(self) -> optuna.Trial | None:
        """Let the first of the waiting trials run: `Study.ask` would add one where none waits."""
        for waiting in self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            trial_id = self.ledger.id_of(waiting.number)
            # A database that was lost frees its lock, and another process may be faster.
            with suppress(UpdateFinishedTrialError):
                if self.opened.storage.set_trial_state_values(trial_id, TrialState.RUNNING):
                    return optuna.Trial(self.study, trial_id)
        return None

    def tell(
        self, trial: optuna.Trial, state: TrialState, values: float | Sequence[float] | None = None
    ) -> None:
        """Finish a trial.

        Raises:
            UpdateFinishedTrialError: another process has finished it.
        """
        told = self.study.tell(trial, values, state, skip_if_finished=True)
        if told.state != state:
            raise UpdateFinishedTrialError

    def put_back(self, trial: optuna.Trial, folder: RunFolder, tried: bool = False) -> None:
        """Leave a trial waiting that was stopped; `repair` adds the new one.

        Args:
            trial: which has not ended.
            folder: its own. An empty file in it says the same, which needs no room on a full disk.
            tried: count it as if its worker had died.
        """
        with suppress(OSError, StorageLost, UpdateFinishedTrialError):
            if not tried:
                folder.file(_STOPPED).touch()
                trial.set_user_attr("stopped", True)
            self.tell(trial, TrialState.FAIL)

    def repair(self, sessions: Sessions) -> int:
        """Fail trials whose worker died, and let them wait again; return how many were failed.

        A trial is tried again once after its worker died, and as often as it was stopped.
        """
        self.ledger.look()
        if not (any(self._lost(sessions)) or self._to_repeat()):
            return 0
        failed = 0
        with self.opened.lock():
            self.ledger.look()
            for trial in list(self._lost(sessions)):
                with suppress(UpdateFinishedTrialError):  # another process saw it too
                    self.study.tell(trial.number, None, TrialState.FAIL, skip_if_finished=True)
                    failed += 1
            self.ledger.look()
            for trial in self._to_repeat():
                deaths = trial.user_attrs.get("deaths", 0) + (not self._was_stopped(trial))
                self.study.add_trial(
                    optuna.create_trial(
                        state=TrialState.WAITING,
                        params=trial.params,
                        distributions=trial.distributions,
                        system_attrs=trial.system_attrs,
                        user_attrs={"retry_of": trial.number, "deaths": deaths},
                    )
                )
        return failed

    def _lost(self, sessions: Sessions) -> Iterator[FrozenTrial]:
        """Running trials whose worker has died; only certain under the lock."""
        for trial in self.ledger.running.values():
            known = trial.user_attrs.get("owner")
            if known is None:  # its worker died between taking it and saying so
                yield trial
                continue
            # Version 0.1.0 stored no folder.
            dead = is_dead({"folder": str(self.folder / "trials" / str(trial.number))} | known)
            if sessions.is_silent(known.get("session")) if dead is None else dead:
                yield trial

    def _to_repeat(self) -> list[FrozenTrial]:
        """Failed trials that did not fail by themselves and have no successor yet."""
        failed = self.ledger.unsettled
        for trial in list(failed.values()):
            if trial.user_attrs.get("deaths", 0) > 0 and not self._was_stopped(trial):
                del failed[trial.number]  # it has had its second try
        return list(failed.values())

    def _was_stopped(self, trial: FrozenTrial) -> bool:
        """Whether a trial that has ended was stopped, for which its values are not to blame."""
        known = trial.user_attrs
        return (
            bool(known.get("stopped"))
            or "owner" not in known  # it had not begun
            or isinstance(faults.of_reason(known.get("reason", "")), MachineFault)
            or (self.folder / "trials" / str(trial.number) / _STOPPED).exists()
        )


def open_study(
    opened: Opened, folder: Path, name: str, options: SearchConfig, seed: int, epochs: int
) -> TrialQueue:
    """The study of that name, created if it does not exist."""
    with opened.lock():
        study = optuna.create_study(
            storage=opened.storage,
            study_name=name,
            directions=options.directions,
            load_if_exists=True,
            sampler=samplers.PerTrial(options, parse(options.space), seed),
            pruner=samplers.pruner(options, epochs),
        )
    return TrialQueue(study, opened, folder, Ledger(study, opened.storage))


def _same(one: Any, other: Any) -> bool:
    """Whether two texts are equal, also as numbers: a study may hold `0` where `0.0` is meant."""
    if one == other:
        return True
    try:
        return float(one) == float(other)
    except (TypeError, ValueError):
        return False


def _text(values: Mapping[str, Any], key: str) -> str:
    return str(values[key]) if key in values else "absent"
