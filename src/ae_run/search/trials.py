"""The trials of a search as its figures and page show them."""

from dataclasses import dataclass
from typing import Any

from ae_run.search.config import SearchConfig
from ae_run.search.space import Space


@dataclass(frozen=True)
class FinishedTrial:
    """A finished trial."""

    number: int
    state: str
    """complete, pruned or failed."""
    values: tuple[float, ...]
    """A pruned trial's is its last epoch's."""
    params: dict[str, Any]
    steps: dict[int, float]
    order: float
    """When it ended."""


@dataclass(frozen=True)
class SearchData:
    """All that the figures show."""

    name: str
    options: SearchConfig
    space: Space
    points: list[FinishedTrial]
    importances: dict[str, float]
    importances_epoch: int | None
    """Of the scores that they are for; None: of all epochs."""

    @property
    def complete(self) -> list[FinishedTrial]:
        """Trials with a score, in the order in which they ended."""
        done = [p for p in self.points if p.state == "complete"]
        return sorted(done, key=lambda p: p.order)

    @property
    def score(self) -> str:
        """What is searched for, as an axis says it."""
        if self.options.objective == "probe":
            return "validation accuracy"
        return "validation score"

    @property
    def sign(self) -> int:
        """1 where less is better, else −1."""
        return 1 if self.options.direction == "minimize" else -1
