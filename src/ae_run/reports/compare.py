"""The report's numbers beside ours."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from ae_run.errors import UserError
from ae_run.reports.metrics import beside, mean_sd, value
from ae_run.reports.results import Found
from ae_run.reports.searches import PlannedSearch
from ae_run.reports.spec import Report, Row, Value

Searched = tuple[PlannedSearch, Mapping[str, Any]]
AS_REPORT, OURS = "as_report", "ours"
MISSED, REACHED, UNFINISHED = "missed", "reached", "not yet at full"


@dataclass(frozen=True)
class Side:
    """One of a row's two runs."""

    value: Value
    sd: float | None
    seeds: int
    budget: str
    tags: tuple[str, ...]
    """The budget and what it leaves out, and the number of seeds."""
    device: str
    command: str
    digests: list[str]
    beside: dict[str, float] = field(default_factory=dict)
    """Baselines on the same images, by name; see `metrics.beside`."""
    search: dict[str, Any] = field(default_factory=dict)
    """Of a search: trials, pruned trials, the best score on validation, and the importance of
    this parameter, a share of 1."""


@dataclass(frozen=True)
class Line:
    """A row with what was measured; a side is None where its run is not there."""

    row: Row
    as_report: Side | None
    ours: Side | None

    @property
    def within(self) -> bool | None:
        """Whether the plain setting gives the report's number, where the row asks for it."""
        if self.row.within is None or self.as_report is None:
            return None
        theirs, mine = float(self.row.report or 0), float(self.as_report.value)
        share = theirs if self.row.better == "lower" else 1.0
        return abs(mine - theirs) <= self.row.within * share

    @property
    def reached(self) -> bool | None:
        """Whether ours reaches the aim and beats the baseline, where the row asks for it."""
        if self.ours is None:
            return None
        both = (self.row.aim, self.ours.beside.get(self.row.beats or ""))
        goals = [goal for goal in both if goal is not None]
        if not goals:
            return None
        mine = float(self.ours.value)
        return mine <= min(goals) if self.row.better == "lower" else mine >= max(goals)

    @property
    def baselines(self) -> dict[str, float]:
        """The baselines beside the row, ours where it has them."""
        sides = [side for side in (self.ours, self.as_report) if side is not None]
        return next((side.beside for side in sides if side.beside), {})

    @property
    def status(self) -> str | None:
        """`MISSED`, `REACHED` or `UNFINISHED`; None for a row that has no aim."""
        judged = []
        if self.row.within is not None:
            judged.append((self.as_report, self.within))
        if self.row.aim is not None or self.row.beats is not None:
            judged.append((self.ours, self.reached))
        if not judged:
            return None
        if any(side is None or side.budget != "full" for side, _ in judged):
            return UNFINISHED
        return REACHED if all(good is not False for _, good in judged) else MISSED

    def note(self) -> str:
        """The row's note, and why an aim is missed at budget full."""
        parts = [self.row.note]
        for name, side, good, why in (
            ("As the report", self.as_report, self.within, self.row.differs),
            ("Ours", self.ours, self.reached, self.row.missed),
        ):
            if good is False and side is not None and side.budget == "full":
                parts.append(f"{name} misses the aim: {why.strip() or 'not explained'}.")
        return " ".join(part.strip() for part in parts if part.strip())


def lines(
    report: Report, found: Mapping[str, Found], searched: Mapping[str, Searched]
) -> list[Line]:
    """Every row of a report with the results of its runs and searches, where they exist."""

    def side(row: Row, name: str | None) -> Side | None:
        if name is None:
            return None
        if name in searched:
            return _of_search(*searched[name], row.metric)
        return _side(found[name], row.metric) if name in found else None

    return [Line(row, side(row, row.as_report), side(row, row.ours)) for row in report.rows]


def _side(found: Found, metric: str) -> Side:
    mean, sd = mean_sd([value(run, metric) for run in found.runs])
    first, count = found.first.run, len(found.runs)
    return Side(
        value=mean,
        sd=sd,
        seeds=count,
        budget=found.budget,
        tags=(*found.tags, *([f"{count} seeds"] if count > 1 else [])),
        device=str(first.get("device_name") or first.get("device")),
        command=found.planned[0].command,
        digests=[plan.digest for plan in found.planned],
        beside=_baselines(found, metric),
    )


def _baselines(found: Found, metric: str) -> dict[str, float]:
    """Means over the runs of the baselines that they have."""
    means = {}
    for name, path in beside(metric).items():
        with suppress(UserError):
            means[name] = mean_sd([value(run, path) for run in found.runs])[0]
    return means


def _of_search(planned: PlannedSearch, result: Mapping[str, Any], key: str) -> Side | None:
    best = result["best"]
    value_ = best["value"] if key == "value" else best["params"].get(key)
    if value_ is None:
        return None
    facts = {name: result.get(name) for name in ("trials", "pruned")}
    facts |= {"best": best["value"], "importance": (result.get("importances") or {}).get(key)}
    return Side(
        value=value_,
        sd=None,
        seeds=1,
        budget=planned.budget,
        tags=planned.tags,
        device="",
        command=planned.command,
        digests=[planned.digest],
        search=facts,
    )


def as_json(line: Line) -> dict[str, Any]:
    """A line of `comparison.json`; what both sides have is keyed by side."""
    sides = {AS_REPORT: line.as_report, OURS: line.ours}

    def of(key: str) -> dict[str, Any]:
        return {name: asdict(side)[key] for name, side in sides.items() if side is not None}

    return {
        "id": line.row.id,
        "label": line.row.label,
        "unit": line.row.unit,
        "metric": line.row.metric,
        "report": line.row.report,
        AS_REPORT: line.as_report.value if line.as_report else None,
        OURS: line.ours.value if line.ours else None,
        "beside": line.baselines,
        "sd": of("sd"),
        "seeds": of("seeds"),
        "budget": of("budget"),
        "tags": of("tags"),
        "device": of("device"),
        "command": of("command"),
        "run_digest": of("digests"),
        "search": line.ours.search if line.ours else {},
        "within": line.within,
        "aim": line.row.aim,
        "beats": line.row.beats,
        "aim_reached": line.reached,
        "status": line.status,
        "tried": line.row.tried,
        "note": line.note(),
    }
