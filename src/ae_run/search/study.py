"""The study: exactly so many trials, however many processes start, work on it, or die.

A study is filled with WAITING trials, and workers take only those. A trial whose worker died
is failed and waits again, once, as a new trial with `retry_of`; so the trials without that
attribute are the slots, and their number is `search.n_trials`.
"""

import logging
import math
import secrets
import time
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.trial import FrozenTrial, TrialState

from ae_run.errors import UserError
from ae_run.search import owners, samplers
from ae_run.search.options import SearchConfig
from ae_run.search.space import Space
from ae_run.search.storage import GRACE, HEARTBEAT, Opened

_FAILURES = 5


class NothingWaiting(Exception):
    """No trial is left to take."""


class TakingStudy(optuna.Study):
    """A study whose `ask` takes a waiting trial and never makes a new one."""

    opened: Opened
    session: str | None = None
    """Of the process that started this worker."""

    def _pop_waiting_trial_id(self) -> int | None:
        # Under the lock, so that a running trial without an owner is one whose worker died here.
        with self.opened.lock():
            trial_id = super()._pop_waiting_trial_id()
            if trial_id is None:
                raise NothingWaiting
            owner = owners.me() | {"session": self.session}
            self._storage.set_trial_user_attr(trial_id, "owner", owner)
            if is_heartbeat_enabled(self._storage):
                # Without a first one, the trial would never count as silent.
                self._storage.record_heartbeat(trial_id)  # type: ignore[attr-defined]
        return trial_id


def quiet() -> None:
    """Optuna's own messages off: trials say what they do themselves."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    logging.getLogger("alembic").setLevel(logging.CRITICAL)


def open_study(
    opened: Opened, name: str, options: SearchConfig, space: Space, seed: int, epochs: int
) -> TakingStudy:
    """The study of that name, made if it is not there yet."""
    with opened.lock():
        optuna.create_study(
            storage=opened.storage,
            study_name=name,
            directions=options.directions,
            load_if_exists=True,
        )
    study = TakingStudy(
        study_name=name,
        storage=opened.storage,
        sampler=samplers.PerTrial(options, space, seed),
        pruner=samplers.pruner(options, epochs),
    )
    study.opened = opened
    return study


def identify(study: TakingStudy, identity: Mapping[str, Any]) -> None:
    """Store what the search is, or compare it with what is stored.

    Raises:
        UserError: it differs; the message says in what.
    """
    with study.opened.lock():
        known = study.user_attrs.get("identity")
        if known is None:
            study.set_user_attr("identity", dict(identity))
            return
    if known == identity:
        return
    keys = [k for k in {**known, **identity} if known.get(k) != identity.get(k)]
    told = [f"{k} is {_text(known, k)} there, {_text(identity, k)} here" for k in keys[:5]]
    more = f", and {len(keys) - 5} more" if len(keys) > 5 else ""
    raise UserError(
        f"search.name={study.study_name}: is another search: {'; '.join(told)}{more}; "
        "give this one another search.name"
    )


def _text(values: Mapping[str, Any], key: str) -> str:
    return str(values[key]) if key in values else "absent"


def slots(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """The last trial of each slot: a trial, or what it was tried again as."""
    again = {t.user_attrs["retry_of"]: t for t in trials if "retry_of" in t.user_attrs}
    last = []
    for trial in trials:
        if "retry_of" in trial.user_attrs or "dropped" in trial.user_attrs:
            continue
        while trial.number in again:
            trial = again[trial.number]
        last.append(trial)
    return last


def is_hopeless(last: list[FrozenTrial]) -> bool:
    """Whether the first trials, all that are finished, failed by themselves."""
    finished = [t for t in last if t.state.is_finished()]
    enough = min(_FAILURES, len(last))
    return len(finished) >= enough and all("reason" in t.user_attrs for t in finished)


def fill(study: TakingStudy, count: int) -> None:
    """Make the waiting trials that are missing, and drop those that are too many."""
    with study.opened.lock():
        have = slots(study.get_trials(deepcopy=False))
        for _ in range(count - len(have)):
            study.add_trial(optuna.create_trial(state=TrialState.WAITING))
        waiting = [t for t in have if t.state == TrialState.WAITING]
        for trial in waiting[len(waiting) - max(0, len(have) - count) :]:
            study._storage.set_trial_user_attr(trial._trial_id, "dropped", True)
            study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)


class Sessions:
    """The processes that run this search, each with when it was last seen.

    They tell how long the search has taken over all restarts, and, on another machine, whether
    the workers of one are still there.
    """

    def __init__(self, study: TakingStudy) -> None:
        self._study = study
        self.own = secrets.token_hex(8)
        self._started = time.time()
        self._beaten = -math.inf
        self._seen: dict[str, tuple[float, float]] = {}

    def beat(self, at_once: bool = False) -> None:
        """Say that this process is there, now and then."""
        if at_once or time.monotonic() - self._beaten > HEARTBEAT:
            self._beaten = time.monotonic()
            times = [self._started, time.time()]
            self._study.set_user_attr(f"session:{self.own}", times)

    def is_silent(self, session: object) -> bool:
        """Whether another one has said nothing for long, by this machine's clock."""
        last = self._study.user_attrs.get(f"session:{session}", [0.0, 0.0])[1]
        now = time.monotonic()
        if self._seen.setdefault(str(session), (last, now))[0] != last:
            self._seen[str(session)] = (last, now)
        return now - self._seen[str(session)][1] > GRACE

    def elapsed(self) -> float:
        """Seconds in which at least one of them was at work."""
        times = [v for k, v in self._study.user_attrs.items() if k.startswith("session:")]
        total, reached = 0.0, -math.inf
        for start, end in sorted(times):
            total += max(0.0, end - max(start, reached))
            reached = max(reached, end)
        return total


def repair(study: TakingStudy, sessions: Sessions) -> int:
    """Fail trials whose worker died, and let them wait again; return how many were failed.

    A trial is tried again once after its worker died, and as often as it was stopped.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)  # does nothing without a heartbeat
    trials = study.get_trials(deepcopy=False)
    if not any(_is_lost(t, sessions) for t in trials) and not _to_repeat(trials):
        return 0
    failed = 0
    with study.opened.lock():
        for trial in study.get_trials(deepcopy=False):
            if _is_lost(trial, sessions):
                try:
                    study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
                    failed += 1
                except optuna.exceptions.UpdateFinishedTrialError:
                    pass  # it was alive after all, or another process saw it too
        for trial in _to_repeat(study.get_trials(deepcopy=False)):
            deaths = trial.user_attrs.get("deaths", 0) + (not trial.user_attrs.get("stopped"))
            study.add_trial(
                optuna.create_trial(
                    state=TrialState.WAITING,
                    params=trial.params,
                    distributions=trial.distributions,
                    system_attrs=trial.system_attrs,
                    user_attrs={"retry_of": trial.number, "deaths": deaths},
                )
            )
    return failed


def _is_lost(trial: FrozenTrial, sessions: Sessions) -> bool:
    """Whether a running trial's worker has died; the caller holds the lock to be sure."""
    if trial.state != TrialState.RUNNING:
        return False
    owner = trial.user_attrs.get("owner")
    if owner is None:
        return True
    dead = owners.is_dead(owner)
    return sessions.is_silent(owner.get("session")) if dead is None else dead


def _to_repeat(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Failed trials that did not fail by themselves, and have no successor yet."""
    again = {t.user_attrs.get("retry_of") for t in trials}
    return [
        t
        for t in trials
        if t.state == TrialState.FAIL
        and "reason" not in t.user_attrs
        and "dropped" not in t.user_attrs
        and t.number not in again
        and (t.user_attrs.get("stopped") or t.user_attrs.get("deaths", 0) == 0)
    ]
