"""The finished runs behind a name of a report."""

from dataclasses import dataclass

from ae_run.drawing.run_data import RunData
from ae_run.reports.plan import Planned
from ae_run.reports.spec import Value


@dataclass(frozen=True)
class Found:
    """The finished runs behind a name, at one budget."""

    name: str
    planned: tuple[Planned, ...]
    runs: tuple[RunData, ...]
    tags: tuple[str, ...]
    """The budget, and what it leaves out of the report's own."""

    @property
    def budget(self) -> str:
        """`quick` or `full`."""
        return self.planned[0].budget

    @property
    def points(self) -> list[Value]:
        """The values of the sweep, in order."""
        return list(dict.fromkeys(plan.point for plan in self.planned if plan.point is not None))

    @property
    def first(self) -> RunData:
        """The run with the first seed."""
        return self.runs[0]

    def at(self, point: Value | None) -> list[RunData]:
        """The runs with that value of the sweep, one per seed."""
        pairs = zip(self.planned, self.runs, strict=True)
        return [run for plan, run in pairs if plan.point == point]


def tags(run: Planned, full: Planned) -> tuple[str, ...]:
    """The budget of a run, and what it leaves out of the report's own; one tag each."""
    if run.budget == "full":
        return ("full",)
    now, whole = run.config, full.config
    parts = ["quick"] + ["settings of ours"] * run.stand_in
    if now.train.epochs != whole.train.epochs:
        parts.append(f"{now.train.epochs}/{whole.train.epochs} epochs")
    if now.data.limit != whole.data.limit:
        parts.append(f"{now.data.limit:,} images")
    for key in ("batch_size", "lr", "schedule", "patience", "optimizer"):
        mine, theirs = getattr(now.train, key), getattr(whole.train, key)
        if mine != theirs:
            parts.append(f"{key.replace('_', ' ')} {mine} for {theirs}")
    return tuple(parts)
