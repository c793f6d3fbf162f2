"""The finished trials of a search, for its figures and its page."""

from dataclasses import dataclass
from typing import Any

from ae_run.drawing import words
from ae_run.search.config import SearchConfig
from ae_run.search.space import Space


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
        done = [p for p in self.trials if p.state == "complete"]
        return sorted(done, key=lambda p: p.order)

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
