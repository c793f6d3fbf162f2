"""Samplers and pruners by name."""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna import pruners
from optuna import samplers as s
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from ae_run.errors import UserError
from ae_run.search.config import SearchConfig
from ae_run.search.parameters import Choice
from ae_run.search.space import Space


class PerTrial(BaseSampler):
    """The sampler that `search.sampler` names, seeded again for every trial by its number.

    No storage keeps a sampler's generator. Seeded once per process, a resumed search would draw
    the same parameters again, and so would all workers; a trial's number occurs once.
    """

    def __init__(self, options: SearchConfig, space: Space, seed: int) -> None:
        self._options = options
        self._space = space
        self._seed = seed
        self._inner = make(options, space, seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """See `BaseSampler`."""
        if self._options.sampler != "grid":  # whose seed is the order of its points
            seed = (self._seed * 1_000_003 + trial.number + 1) % 2**32
            self._inner = make(self._options, self._space, seed)
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """See `BaseSampler`."""
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """See `BaseSampler`."""
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """See `BaseSampler`."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """See `BaseSampler`."""
        if self._options.sampler != "grid":  # it would stop this process before others are done
            self._inner.after_trial(study, trial, state, values)


def make(options: SearchConfig, space: Space, seed: int) -> BaseSampler:
    """A new sampler."""
    first = options.random_trials
    match options.sampler:
        case "tpe":
            return s.TPESampler(seed=seed, n_startup_trials=first)
        case "random":
            return s.RandomSampler(seed=seed)
        case "cmaes":
            return s.CmaEsSampler(
                seed=seed, n_startup_trials=first, warn_independent_sampling=False
            )
        case "grid":
            return s.GridSampler({p.key: p.grid() for p in space}, seed=seed)
        case "nsga2":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return s.NSGAIISampler(seed=seed, population_size=max(2, min(50, first)))


def pruner(options: SearchConfig, epochs: int) -> pruners.BasePruner:
    """The pruner that `search.pruner` names, for trials of `epochs` epochs."""
    match options.pruner:
        case "median":
            warmup = epochs // 4 if options.warmup_epochs == "auto" else options.warmup_epochs
            # Steps are epochs, counted from 1; a step below the warm-up is ignored.
            return pruners.MedianPruner(options.startup_trials, warmup + 1)
        case "hyperband":
            return pruners.HyperbandPruner(1, epochs, options.reduction_factor)
        case "successive_halving":
            return pruners.SuccessiveHalvingPruner(reduction_factor=options.reduction_factor)
        case "none":
            return pruners.NopPruner()


def check(options: SearchConfig, space: Space) -> int | None:
    """Refuse a sampler that cannot search the space; return the number of a grid's points.

    Raises:
        UserError: it cannot.
    """
    if options.sampler == "cmaes":
        try:
            import cmaes  # noqa: F401
        except ImportError:
            raise UserError("search.sampler=cmaes: needs a package: pip install cmaes") from None
        if sum(not isinstance(p, Choice) and p.when is None for p in space) < 2:
            raise UserError(
                "search.sampler=cmaes: needs two int or float keys without condition in "
                "search.space; choose tpe"
            )
    if options.sampler != "grid":
        return None
    points = 1
    for p in space:
        if p.when is not None:
            raise UserError(f"search.sampler=grid: cannot handle conditions (when of {p.key})")
        points *= len(p.grid())
    return points
