"""The report's numbers beside ours."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ae_run.reports.results import Found, mean_sd, value
from ae_run.reports.searches import PlannedSearch
from ae_run.reports.spec import Report, Row, Value

Searched = tuple[PlannedSearch, Mapping[str, Any]]
AS_REPORT, OURS = "as_report", "ours"


@dataclass(frozen=True)
class Side:
    """One of a row's two runs."""

    value: Value
    sd: float | None
    seeds: int
    budget: str
    device: str
    command: str
    digests: list[str]
    cut: str


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
        allowed = self.row.within if self.row.unit == "accuracy" else self.row.within * theirs
        return abs(mine - theirs) <= allowed

    @property
    def reached(self) -> bool | None:
        """Whether ours reaches the aim, where the row has one."""
        if self.row.aim is None or self.ours is None:
            return None
        mine = float(self.ours.value)
        return mine <= self.row.aim if self.row.better == "lower" else mine >= self.row.aim

    def note(self) -> str:
        """What one has to know to read the row: settings, cuts, and why an aim is missed."""
        parts = [self.row.note]
        for name, side in (("As the report", self.as_report), ("Ours", self.ours)):
            if side is not None and side.budget == "quick":
                parts.append(f"{name}: budget quick ({side.cut}); not yet run at full.")
        for name, side, good in (
            ("as the report", self.as_report, self.within),
            ("ours", self.ours, self.reached),
        ):
            if good is False and side is not None:
                why = self.row.missed if side.budget == "full" else "the budget is cut"
                parts.append(f"Misses the aim, {name}: {why or 'not explained'}.")
        return " ".join(part.strip() for part in parts if part.strip())


def lines(
    report: Report, found: Mapping[str, Found], searched: Mapping[str, Searched]
) -> list[Line]:
    """Every row of a report with what the runs and searches that are there say."""

    def side(row: Row, name: str | None) -> Side | None:
        if name is None:
            return None
        if name in searched:
            return _of_search(*searched[name], row.metric)
        return _side(found[name], row.metric) if name in found else None

    return [Line(row, side(row, row.as_report), side(row, row.ours)) for row in report.rows]


def _side(found: Found, metric: str) -> Side:
    mean, sd = mean_sd([value(run, metric) for run in found.runs])
    first = found.first.run
    device = str(first.get("device_name") or first.get("device"))
    return Side(
        mean, sd, len(found.runs), found.budget, device,
        found.planned[0].command, [plan.digest for plan in found.planned], found.cut,
    )  # fmt: skip


def _of_search(planned: PlannedSearch, result: Mapping[str, Any], key: str) -> Side | None:
    best = result["best"]
    value_ = best["value"] if key == "value" else best["params"].get(key)
    if value_ is None:
        return None
    return Side(
        value_, None, 1, planned.budget, "", planned.command, [planned.digest], planned.cut
    )  # fmt: skip


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
        "sd": of("sd"),
        "seeds": of("seeds"),
        "budget": of("budget"),
        "device": of("device"),
        "command": of("command"),
        "run_digest": of("digests"),
        "within": line.within,
        "aim": line.row.aim,
        "aim_reached": line.reached,
        "note": line.note(),
    }
