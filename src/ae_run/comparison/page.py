"""The page of a comparison: tables, curves, images and paired differences in one file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any
from urllib.parse import quote

from ae_run.atomic import write_bytes
from ae_run.comparison import curves, further, images, paired
from ae_run.comparison.runs import FoundRun
from ae_run.comparison.table import BASELINES, MISSING, Row, Spread, Table
from ae_run.drawing.style import Style
from ae_run.drawing.words import axis
from ae_run.drawing.words import score as words
from ae_run.pages import render

_TEMPLATES = Path(__file__).parent / "templates"
DETAILED = 40
"""Of each table, so many runs have their curve, images and paired differences on the page."""
_COLORS = 10


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    value: str
    """By which the column sorts; a dash comes last."""


@dataclass(frozen=True)
class Line:
    """A run in a table."""

    id: str
    name: str
    link: str
    """To its page, from that of the comparison; empty without one."""
    seed: str
    cells: list[Cell]
    color: int


@dataclass(frozen=True)
class Group:
    """A row of a table, with its runs where they are several."""

    line: Line
    members: list[Line]
    tags: list[str]
    words: str
    """What the filter looks through."""


@dataclass(frozen=True)
class Part:
    """What the page shows of one table."""

    table: Table
    id: str
    header: list[str]
    groups: list[Group]
    curves: curves.Curves | None
    strips: images.Strips | None
    pairs: dict[str, Any] | None
    more: int
    """Runs without details, since there are too many."""


def write(target: Path, tables: Sequence[Table], others: Sequence[FoundRun], title: str) -> Path:
    """Write the page.

    Args:
        target: the file; links to the runs are relative to its folder.
        tables: of the scored runs.
        others: that cannot be compared, with the reason of each.
        title: of the page.
    """
    parts = [_part(table, number, target.parent) for number, table in enumerate(tables)]
    light, dark = (Style.named(name, 100).palette[:_COLORS] for name in ("default", "dark"))
    html = render.page(
        _TEMPLATES / "compare.html",
        render.SCRIPT,
        _TEMPLATES / "compare.js",
        title=title,
        parts=parts,
        light=light,
        dark=dark,
        others=[(run, _link(run, target.parent)) for run in others],
        count=sum(len(table.runs) for table in tables),
        missing=MISSING,
        axis=axis,
        score=words,
    )
    write_bytes(target, html)
    return target


def _part(table: Table, number: int, where: Path) -> Part:
    chosen = table.runs[:DETAILED]
    groups = [_group(table, row, i, number, where) for i, row in enumerate(table.rows)]
    lines = [line for group in groups for line in (group.members or [group.line])]
    ids = {line.id: line for line in lines[: len(chosen)]}
    return Part(
        table,
        f"table-{number}",
        [words(name) for name in table.scores]
        + [f"MSE of {BASELINES[name]}" for name in table.baselines]
        + ["seed", *table.keys, *(column.title for column in table.further)],
        groups,
        curves.of(chosen, list(ids.values()), table.lead),
        images.strips(chosen, list(ids.values())),
        _pairs(chosen, list(ids.values()), table),
        len(table.runs) - len(chosen),
    )


def _group(table: Table, row: Row, index: int, number: int, where: Path) -> Group:
    seeds = ", ".join(map(str, row.seeds))
    # The whole row stands for its runs: one run has no line of its own.
    first = f"run-{number}-{index}"
    cells = [_cell(row.scores.get(name)) for name in table.scores]
    cells += [_cell(row.baselines.get(name)) for name in table.baselines]
    values = [Cell(value, value) for value in row.values.values()]
    values += [_cell(row.further.get(column)) for column in table.further]
    several = len(row.runs) > 1
    line = Line(
        first,
        row.name,
        "" if several else _link(row.runs[0], where),
        seeds,
        [*cells, Cell(seeds, seeds), *values],
        index % _COLORS,
    )
    members = [
        _member(table, run, row, f"{first}-{k}", index, where) for k, run in enumerate(row.runs)
    ]
    tags = list(dict.fromkeys(tag for run in row.runs for tag in run.tags))
    notes = [str(run.config.get("notes") or "") for run in row.runs]
    told = [f"{key}={value}" for key, value in row.values.items()]
    names = [text for run in row.runs for text in (run.name, str(run.folder.path), run.label)]
    return Group(
        line, members if several else [], tags, " ".join([*names, *tags, *notes, *told]).lower()
    )


def _member(table: Table, run: FoundRun, row: Row, id_: str, index: int, where: Path) -> Line:
    block = table.lead.block(run.metrics)
    scores = [block.score(name, run.replicas) for name in table.scores]
    seeds = ", ".join(map(str, run.seeds))
    others = [block.others.get(name, {}).get("mse") for name in table.baselines]
    cells = [_number(score) for score in (*scores, *others)] + [Cell(seeds, seeds)]
    cells += [Cell(value, value) for value in row.values.values()]
    known = dict(further.scores(run))
    cells += [_number(fmean(known[c]) if c in known else None) for c in table.further]
    return Line(id_, run.name, _link(run, where), seeds, cells, index % _COLORS)


def _cell(spread: Spread | None) -> Cell:
    return Cell(MISSING, MISSING) if spread is None else Cell(str(spread), repr(spread.mean))


def _number(value: float | None) -> Cell:
    return Cell(MISSING, MISSING) if value is None else Cell(f"{value:.4g}", repr(value))


def _link(run: FoundRun, where: Path) -> str:
    """The path of a run's page as the comparison's page links it."""
    page = run.folder.file("report.html").resolve()
    if not page.is_file():
        return ""
    try:
        return quote(Path(os.path.relpath(page, where.resolve())).as_posix())
    except ValueError:  # on another drive of Windows
        return page.as_uri()


def _pairs(runs: Sequence[FoundRun], lines: Sequence[Line], table: Table) -> dict[str, Any] | None:
    """The paired differences as the script reads them; None with fewer than two runs."""
    each = [paired.scores(run, table.lead) for run in runs]
    sizes = {len(one) for one in each if one is not None}
    kept = [(line, one) for line, one in zip(lines, each, strict=True) if one is not None]
    if len(kept) < 2 or len(sizes) != 1 or sizes == {1}:
        return None
    found = paired.pairs([one for _, one in kept], table.lead)
    numbers = {name: getattr(found, name) for name in ("mean", "low", "high", "p", "better")}
    return {
        "runs": [{"id": line.id, "name": f"{line.name}, seed {line.seed}"} for line, _ in kept],
        "images": found.images,
        "score": words(table.lead.key),
        "best": table.lead.best,
        **{
            name: [[float(f"{value:.5g}") for value in row] for row in matrix.tolist()]
            for name, matrix in numbers.items()
        },
    }
