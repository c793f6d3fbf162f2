"""A report's page: its numbers beside ours, its figures drawn again, and how each was made.

One file that opens from disk and asks for nothing else, with the look of a run's page.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ae_run.atomic import write_bytes
from ae_run.pages import render
from ae_run.reports import points
from ae_run.reports.compare import MISSED, REACHED, UNFINISHED, Line, Side
from ae_run.reports.results import Found
from ae_run.reports.spec import Figure, Report, Row, Value

_TEMPLATES = Path(__file__).parent / "templates"
_BASELINES = {"input": "corrupted input", "pca": "PCA", "pixels": "pixels"}


@dataclass(frozen=True)
class Picture:
    """A picture on the page."""

    image: render.Image
    name: str
    animation: render.Image | None
    link: str
    """Its file, relative to the page."""


def stem(figure: Figure, name: str) -> str:
    """The name of a figure's file without its ending."""
    number = "".join(c if c.isalnum() else "-" for c in figure.number.lower())
    return f"figure-{number}-{name}" if name else f"figure-{number}"


def write(report: Report, found: Mapping[str, Found], lines: Sequence[Line], target: Path) -> None:
    """Write `index.html` from the numbers and from the pictures in `figures/`."""
    html = render.page(
        _TEMPLATES / "report.html",
        render.SCRIPT,
        _TEMPLATES / "points.js",
        report=report,
        summary=_summary(lines),
        rows=[_row(line, report) for line in lines if line.row.ours not in report.searches],
        searches=_searches(report, lines),
        figures=[_figure(figure, found, target / "figures") for figure in report.figures],
        runs=[_run(one) for one in found.values()],
        missing=[name for name in report.runs if name not in found],
        clouds=Markup(json.dumps(_clouds(report, found)).replace("<", "\\u003c")),
    )
    write_bytes(target / "index.html", html)


def _row(line: Line, report: Report) -> dict[str, Any]:
    row = line.row
    return {
        "id": row.id,
        "label": row.label,
        "unit": row.unit,
        "report": row.report if isinstance(row.report, str) else _as_given(row.report),
        "as_report": _side(line.as_report, row.as_report, line.within),
        "ours": _side(line.ours, row.ours, line.reached),
        "baselines": [(_BASELINES[name], number(v)) for name, v in line.baselines.items()],
        "aims": _aims(row),
        "tags": _tags(line),
        "note": line.note(),
        "tried": row.tried,
        "search": row.ours if row.ours in report.searches else None,
    }


def _as_given(value: Value | None) -> str:
    return "–" if value is None else f"{value:g}"


def _aims(row: Row) -> list[str]:
    aims = []
    if row.within is not None:
        how = f"±{row.within:.0%}" if row.better == "lower" else f"±{row.within:g}"
        aims.append(f"as the report: within {how}")
    if row.aim is not None:
        aims.append(f"ours: {'at most' if row.better == 'lower' else 'at least'} {row.aim:g}")
    if row.beats is not None:
        aims.append(f"ours: better than {_BASELINES[row.beats]}")
    return aims


def _side(side: Side | None, name: str | None, good: bool | None) -> dict[str, Any]:
    if side is None:
        return {"text": "" if name is None else "not run", "importance": "", "look": ""}
    look = {True: "ok", False: "no", None: ""}[good if side.budget == "full" else None]
    spread = "" if side.sd is None else f" ± {number(side.sd, 2)}"
    share = side.search.get("importance")
    importance = "" if share is None else f"{share:.0%}"
    return {"text": number(side.value) + spread, "importance": importance, "look": look}


def _tags(line: Line) -> list[tuple[str, tuple[str, ...]]]:
    """Tags with the side that they belong to; without it where both have the same."""
    sides = [("as the report", line.as_report), ("ours", line.ours)]
    tags = [(name, side.tags) for name, side in sides if side is not None]
    if len({one for _, one in tags}) == 1:
        return [("", tags[0][1])]
    return tags


def _summary(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The rows that have an aim, by what came of it."""
    groups = ((REACHED, "ok"), (MISSED, "no"), (UNFINISHED, ""))
    return [
        {
            "title": status,
            "look": look,
            "rows": [line.row for line in lines if line.status == status],
        }
        for status, look in groups
    ]


def _searches(report: Report, lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Each search with the rows that show its best values."""
    found = []
    for name, search in report.searches.items():
        mine = [line for line in lines if line.row.ours == name]
        side = next((line.ours for line in mine if line.ours is not None), None)
        found.append(
            {
                "name": name,
                "note": search.note,
                "rows": [_row(line, report) for line in mine],
                "tags": side.tags if side else (),
                "best": number(side.search["best"]) if side else "",
                "pruned": side.search["pruned"] if side else 0,
                "command": side.command if side else "",
            }
        )
    return found


def number(value: Value | None, digits: int = 4) -> str:
    """A number with N significant digits; what is no number as it is."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    return f"{value:#.{digits}g}"


def _figure(figure: Figure, found: Mapping[str, Found], where: Path) -> dict[str, Any]:
    there = [found[name] for name in figure.runs if name in found]
    exact = where / f"{stem(figure, '')}.png"
    paths = (
        [exact]
        if exact.is_file()
        else [
            path for name in figure.runs if (path := where / f"{stem(figure, name)}.png").is_file()
        ]
    )
    labels = there[0].first.array("codes_labels") if there else None
    quick = {one.tags for one in there if one.budget == "quick"}
    return {
        "number": figure.number,
        "caption": figure.caption.replace("{points}", f"{0 if labels is None else len(labels):,}"),
        "anchor": stem(figure, ""),
        "pictures": [_picture(path, figure) for path in paths],
        "tags": [", ".join(tags) for tags in sorted(quick)],
        "cloud": figure.draw == "codes_3d",
        "without": [name for name in figure.runs if name not in found],
    }


def _picture(path: Path, figure: Figure) -> Picture:
    name = path.stem.removeprefix(stem(figure, "")).lstrip("-")
    moving = path.with_name(f"{stem(figure, '')}-{name or figure.runs[0]}-{figure.draw}.gif")
    animation = render.embed(moving) if moving.is_file() else None
    return Picture(render.embed(path), name, animation, f"{path.parent.name}/{path.name}")


def _run(one: Found) -> dict[str, Any]:
    runs = [run.run for run in one.runs]
    wall = sum(float(run.get("wall_seconds") or 0) for run in runs)
    return {
        "name": one.name,
        "tags": one.tags,
        "count": len(runs),
        "seconds": f"{wall:,.0f} s",
        "device": str(runs[0].get("device_name") or runs[0].get("device")),
        "command": one.planned[0].command,
        "digests": " ".join(plan.digest for plan in one.planned),
        "more": _more(one),
    }


def _more(one: Found) -> str:
    seeds = sorted({plan.seed for plan in one.planned})
    parts = [f"seeds {seeds[0]} to {seeds[-1]}"] if len(seeds) > 1 else []
    values = ", ".join(map(str, one.points))
    return "; ".join(parts + ([f"values {values}"] if values else []))


def _clouds(report: Report, found: Mapping[str, Found]) -> dict[str, Any]:
    """Points to turn with the pointer, by figure and name of a run."""
    names = {
        stem(figure, ""): [found[name] for name in figure.runs if name in found]
        for figure in report.figures
        if figure.draw == "codes_3d"
    }
    return {
        anchor: [cloud for one in ones if (cloud := points.cloud(one.first, one.name))]
        for anchor, ones in names.items()
    }
