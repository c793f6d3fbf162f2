"""The finished trials of a search, for its figures and its page."""

import random
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ae_run.drawing import words
from ae_run.search.config import SearchConfig
from ae_run.search.space import Space

MOST_SHOWN, BEST_SHOWN = 300, 100
MOST_FOR_IMPORTANCES = 250
"""Their time grows with the square of the trials."""


@dataclass(frozen=True)
class FinishedTrial:
    """One finished trial."""

    number: int
    state: str
    """complete, pruned or failed."""
    values: tuple[float, ...]
    """One per objective; of a pruned trial, its last epoch's score."""
    params: dict[str, Any]
    steps: dict[int, float]
    """Score by epoch."""
    order: float
    """When it ended, in seconds since the epoch."""


@dataclass(frozen=True)
class SearchData:
    """Everything that the figures show."""

    name: str
    options: SearchConfig
    space: Space
    trials: list[FinishedTrial]
    importances: dict[str, float]
    importances_epoch: int | None
    """The epoch whose scores the importances explain; None: the final scores."""
    monitor: str = ""
    """The score's key, such as `mse`; empty if unknown."""

    @property
    def complete(self) -> list[FinishedTrial]:
        """Trials with a score, in the order in which they ended."""
        return _complete(self.trials)

    @property
    def shown_complete(self) -> list[FinishedTrial]:
        """Those of `complete` that are shown."""
        return _complete(self.shown)

    @cached_property
    def shown(self) -> list[FinishedTrial]:
        """The trials that have a point or a line of their own in the figures.

        All, or the best `BEST_SHOWN` and so many of the others, at random, that it is `MOST_SHOWN`.
        """
        if len(self.trials) <= MOST_SHOWN:
            return self.trials
        best = sorted(self.complete, key=lambda p: self.sign * p.values[0])[:BEST_SHOWN]
        known = {p.number for p in best}
        others = [p for p in self.trials if p.number not in known]
        drawn = random.Random(0).sample(others, MOST_SHOWN - len(best))
        return sorted((*best, *drawn), key=lambda p: p.number)

    @property
    def score(self) -> str:
        """The score's name."""
        if self.options.objective == "probe":
            return "validation accuracy"
        return f"validation {words.score(self.monitor)}" if self.monitor else "validation score"

    @property
    def axis(self) -> str:
        """The score's name with its unit."""
        known = self.monitor and self.options.objective != "probe"
        return f"validation {words.axis(self.monitor)}" if known else self.score

    @property
    def better(self) -> str:
        """Which scores are better, in words."""
        return "less is better" if self.sign > 0 else "more is better"

    @property
    def sign(self) -> int:
        """1 if less is better, else −1."""
        return 1 if self.options.direction == "minimize" else -1


def _complete(trials: list[FinishedTrial]) -> list[FinishedTrial]:
    done = [p for p in trials if p.state == "complete"]
    return sorted(done, key=lambda p: p.order)
