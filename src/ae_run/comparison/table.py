"""Scored runs as tables: one per data set and split, seeds together, the differing keys only."""

import json
import statistics
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ae_run import headline
from ae_run.comparison import further
from ae_run.comparison.further import Column
from ae_run.comparison.runs import FoundRun
from ae_run.headline import Lead

Key = TypeVar("Key", str, Column)
MISSING = "–"
_SCORES = ("nelbo", "niwae", "log_likelihood", "mse", "psnr_db", "ssim")
BASELINES = {"mean": "mean image", "input": "corrupted input", "pca": "PCA"}
"""What knows nothing of the runs, by the name of its scores in a block; the easiest first."""
_ELSEWHERE = ("name", "tags", "notes", "evaluate", "figures", "search", "seed", "task", "worker")
"""Root keys that change no trained model, or have a column of their own."""
_PLACES = ("run_dir", "resume", "run", "runs")
_NOT_DECIDING = (
    *("data.root", "data.path", "data.download", "data.mirrors"),
    *("train.replicas", "train.loggers", "model.requires_corruption"),
)
"""Keys that may differ between runs that were trained alike on the same images."""
_WIDTH = 80


@dataclass(frozen=True)
class Spread:
    """A score over the seeds of a row."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float | None:
        """Over the seeds; None for one."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        sd = "" if self.sd is None else f" ± {self.sd:.2g}"
        return f"{self.mean:.4g}{sd}"


@dataclass(frozen=True)
class Row:
    """A run, or several that differ in their seed only."""

    runs: tuple[FoundRun, ...]
    values: dict[str, str]
    """The value of each key of the table."""
    scores: dict[str, Spread]
    baselines: dict[str, Spread]
    """The MSE of each of `BASELINES` on the same input."""
    further: dict[Column, Spread]
    """What its runs have beside."""

    @property
    def unbeaten(self) -> str | None:
        """The easiest baseline that has no larger MSE than the row; None if it beats all."""
        own = self.scores.get("mse")
        others = (name for name in BASELINES if name in self.baselines)
        return next((n for n in others if own and own.mean >= self.baselines[n].mean), None)

    @property
    def name(self) -> str:
        """That of its runs, where all have one name; else what they are."""
        if len(self.runs) == 1:
            return self.runs[0].name
        names = {str(run.config.get("name") or "") for run in self.runs}
        one = names.pop() if len(names) == 1 else ""
        return f"{one or self.runs[0].label}, {len(self.runs)} runs"

    @property
    def seeds(self) -> list[int]:
        """Those of all runs."""
        return sorted({seed for run in self.runs for seed in run.seeds})


@dataclass(frozen=True)
class Table:
    """Runs on the same images with the same split, the best row first."""

    lead: Lead
    input: str
    """Of the scores: clean, or as in training."""
    keys: tuple[str, ...]
    """The config keys that differ."""
    same: dict[str, str]
    """The others, with the value that all runs have."""
    rows: tuple[Row, ...]

    @property
    def runs(self) -> list[FoundRun]:
        """Those of all rows, in order."""
        return [run for row in self.rows for run in row.runs]

    @property
    def scores(self) -> list[str]:
        """The scores that a row has, the leading one first."""
        names = [self.lead.key, *(name for name in _SCORES if name != self.lead.key)]
        return [name for name in names if any(name in row.scores for row in self.rows)]

    @property
    def baselines(self) -> list[str]:
        """The baselines that a row has."""
        return [name for name in BASELINES if any(name in row.baselines for row in self.rows)]

    @property
    def further(self) -> list[Column]:
        """What a row has beside."""
        return list(dict.fromkeys(column for row in self.rows for column in row.further))

    @property
    def data(self) -> str:
        """The data set and the sizes of its split, in words."""
        facts = self.rows[0].runs[0].run.get("data") or {}
        sizes = [
            f"{facts[name]:,} {name}"
            for name in ("train", "validation", "test")
            if isinstance(facts.get(name), int)
        ]
        return f"{facts.get('name', 'unknown data')}: {', '.join(sizes)} images"


def tables(runs: Sequence[FoundRun]) -> list[Table]:
    """The scored runs, apart by images and split; the table of the most runs first."""
    by_data: dict[str, list[FoundRun]] = {}
    for run in runs:
        by_data.setdefault(run.fingerprint, []).append(run)
    return [_table(group) for group in sorted(by_data.values(), key=len, reverse=True)]


def _table(runs: Sequence[FoundRun]) -> Table:
    flat = {id(run): dict(_flat(run.config)) | _chosen(run) for run in runs}
    keys = list(dict.fromkeys(k for one in flat.values() for k in one))
    differing = [key for key in keys if _differs(key, list(flat.values()))]
    lead = headline.lead([run.metrics for run in runs])
    groups: dict[tuple[tuple[str, str], ...], list[FoundRun]] = {}
    for run in runs:
        groups.setdefault(tuple(sorted(flat[id(run)].items())), []).append(run)
    rows = [
        Row(
            tuple(group),
            {key: flat[id(group[0])].get(key, MISSING) for key in differing},
            _scores(group, lead),
            _baselines(group, lead),
            _further(group),
        )
        for group in groups.values()
    ]
    rows.sort(key=lambda row: lead.cost(row.scores[lead.key].mean))
    corrupted = lead.block(runs[0].metrics).name
    same = {key: flat[id(runs[0])][key] for key in flat[id(runs[0])] if key not in differing}
    return Table(lead, corrupted, tuple(differing), same, tuple(rows))


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The dotted keys that decide what is trained, with their values as they are typed."""
    for name, value in config.items():
        key = f"{prefix}{name}"
        if key in (*_ELSEWHERE, *_PLACES, *_NOT_DECIDING):
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{key}.")
        else:
            yield key, value if isinstance(value, str) else json.dumps(value)


def _chosen(run: FoundRun) -> dict[str, str]:
    """What `auto` was: two models may differ in it though nobody asked for that."""
    precision = run.run.get("precision")
    return {"train.precision": str(precision)} if precision else {}


def _differs(key: str, configs: Sequence[Mapping[str, str]]) -> bool:
    """Whether a key has several values; one that only some components have need not be shown."""
    values = {config[key] for config in configs if key in config}
    having = {config.get(f"{key.partition('.')[0]}.name") for config in configs if key in config}
    lacking = {
        config.get(f"{key.partition('.')[0]}.name") for config in configs if key not in config
    }
    return len(values) > 1 or bool(having & lacking)


def _scores(runs: Sequence[FoundRun], lead: Lead) -> dict[str, Spread]:
    each = ((run, lead.block(run.metrics)) for run in runs)
    return _spreads(
        (name, run.per_seed(block.prefix + name, block.own.get(name)))
        for run, block in each
        for name in _SCORES
    )


def _baselines(runs: Sequence[FoundRun], lead: Lead) -> dict[str, Spread]:
    return _spreads(
        (name, [float(scores["mse"])])
        for run in runs
        for name, scores in lead.block(run.metrics).others.items()
        if "mse" in scores
    )


def _further(runs: Sequence[FoundRun]) -> dict[Column, Spread]:
    return _spreads(found for run in runs for found in further.scores(run))


def _spreads(found: Iterable[tuple[Key, Sequence[float]]]) -> dict[Key, Spread]:
    """The values of each key, of all runs together; keys without values are left out."""
    values: dict[Key, list[float]] = {}
    for key, some in found:
        values.setdefault(key, []).extend(some)
    return {key: Spread(tuple(some)) for key, some in values.items() if some}


def text(table: Table, at_most: int = 30) -> str:
    """The table for a terminal: the score of each row, below it what sets it apart."""
    ranked = f"{table.lead.key} on test ({table.input}), the {table.lead.best} first"
    count = len(table.runs)
    lines = [*textwrap.wrap(f"{table.data}; {count} run{'s' * (count > 1)} by {ranked}", _WIDTH)]
    scores = [str(row.scores[table.lead.key]) for row in table.rows]
    width = max(map(len, scores))
    for number, (row, score) in enumerate(zip(table.rows[:at_most], scores, strict=False), 1):
        lines.append(f"{number:>4}  {score:<{width}}  {row.name}")
        if table.lead.key == "mse" and (name := row.unbeaten):
            lines += indented(f"no better than {BASELINES[name]}, {row.baselines[name].mean:.4g}")
        values = [f"{key}={value}" for key, value in row.values.items() if value != MISSING]
        if len({seed for other in table.rows for seed in other.seeds}) > 1:
            values.append(f"{'seeds' if len(row.seeds) > 1 else 'seed'}={_list(row.seeds)}")
        lines += indented(" ".join(values))
    if len(table.rows) > at_most:
        lines.append(f"      and {len(table.rows) - at_most} more")
    return "\n".join(lines)


def indented(words: str, first: int = 6) -> list[str]:
    """A text in lines for a terminal, the first by so many spaces to the right."""
    return textwrap.wrap(
        words,
        _WIDTH,
        initial_indent=first * " ",
        subsequent_indent=6 * " ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def _list(seeds: Sequence[int]) -> str:
    return ",".join(map(str, seeds))


def csv_rows(found: Sequence[Table], others: Sequence[FoundRun]) -> Iterator[dict[str, Any]]:
    """A row per run: those of each table, the best first, then the others with their reason."""
    for number, table in enumerate(found, 1):
        for rank, row in enumerate(table.rows, 1):
            for run in row.runs:
                own = _scores([run], table.lead)
                yield {
                    "folder": str(run.folder.path),
                    "status": run.status,
                    "table": number,
                    "rank": rank,
                    **_notes(run),
                    "seed": _list(run.seeds),
                    **{f"test_{name}": own[name].mean for name in table.scores if name in own},
                    **{f"test_{n}_mse": one.mean for n, one in _beside(run, table).items()},
                    **{column.name: one.mean for column, one in _further([run]).items()},
                    **row.values,
                }
    for run in others:
        yield {"folder": str(run.folder.path), "status": run.status, **_notes(run)} | {
            "reason": run.reason
        }


def _beside(run: FoundRun, table: Table) -> dict[str, Spread]:
    """The baselines of a run by their names in columns."""
    found = _baselines([run], table.lead)
    return {BASELINES[n].replace(" ", "_").lower(): found[n] for n in table.baselines if n in found}


def _notes(run: FoundRun) -> dict[str, str]:
    return {"name": str(run.config.get("name") or ""), "tags": ",".join(run.tags)}
