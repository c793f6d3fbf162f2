"""The schema of `conf/reports/<name>.yaml`."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ae_run.components import conf_dir
from ae_run.errors import UserError
from ae_run.messages import nearest
from ae_run.schema import Schema

Value = float | int | str
Values = Annotated[tuple[Value, ...], Field(strict=False, min_length=1)]
Names = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Tried = Annotated[tuple[str, float], Field(strict=False)]


Cuts = dict[str, Value | Annotated[tuple[Value, ...], Field(strict=False)]]
"""Keys with the values that budget quick sets."""


class Sweep(Schema):
    """One run per value of a key."""

    key: str
    values: Values


class Shared(Schema):
    """Parts of several runs: the start of their command lines, and cuts."""

    args: str = ""
    quick: Cuts | None = Field(default_factory=dict)


class Run(Schema):
    """A run, a sweep of runs, or either over several seeds."""

    args: str
    """The command line after `ae-run`, shared parts included, at the report's own budget."""
    quick: Cuts | str | None = Field(default_factory=dict)
    """Keys that budget quick sets, each of them a cut that the page states; or the run whose
    settings quick takes, where a cut run would be untrained; null: only at budget full."""
    seed: int = 0
    """The first seed."""
    seeds: bool | Literal["full"] = False
    """Whether it is repeated over `--seeds`; `full`: only at budget full."""
    sweep: Sweep | None = None
    init_from: str | None = None
    """The run that it takes its starting weights from."""

    @property
    def overrides(self) -> list[str]:
        """The command line as a list."""
        return shlex.split(self.args)

    def changes(self, budget: str) -> Cuts:
        """The keys that a budget sets."""
        return self.quick if budget == "quick" and isinstance(self.quick, dict) else {}

    def count(self, budget: str, seeds: int) -> int:
        """The number of seeds at a budget."""
        return seeds if self.seeds is True or self.seeds == budget else 1


class Search(Schema):
    """A hyperparameter search; a row that names it takes a searched key as its metric."""

    args: str
    """The command line after `ae-run task=search`."""
    report_trials: int | None
    """The report's own number of trials, where it states one."""
    trials: int
    """Ours."""
    quick: dict[str, Value] = Field(default_factory=dict)
    quick_trials: int
    encoder: str | None = None
    """The run whose codes a classifier search works on."""
    note: str = ""

    def count(self, budget: str) -> int:
        """The number of trials at a budget."""
        return self.quick_trials if budget == "quick" else self.trials

    def overrides(self, budget: str) -> list[str]:
        """The command line as a list."""
        args = shlex.split(self.args)
        if budget == "quick":
            args = [arg for arg in args if arg.partition("=")[0] not in self.quick]
            args += [f"{key}={value}" for key, value in self.quick.items()]
        return ["task=search", *args, f"search.n_trials={self.count(budget)}"]


class Row(Schema):
    """A number of the report, beside ours."""

    id: str
    label: str
    report: Value | None
    """The report's own number."""
    metric: str
    """A path in a run's results; see `reports.metrics`."""
    unit: str = "MSE"
    better: Literal["lower", "higher"] = "lower"
    as_report: str | None = None
    """The run with the report's plain setting."""
    ours: str | None = None
    """The run with values tuned on validation, at no more than its epochs and code size."""
    within: float | None = None
    """How far `as_report` may lie from the report's number: a share of it, or with
    `better: higher` the difference itself."""
    aim: float | None = None
    """The value that `ours` should reach."""
    beats: Literal["input", "pca", "pixels"] | None = None
    """The baseline that `ours` should be better than."""
    note: str = ""
    differs: str = ""
    """Why `as_report` does not give the report's number at budget full, where it does not."""
    missed: str = ""
    """Why `ours` misses the aim at budget full, where it does."""
    tried: Annotated[tuple[Tried, ...], Field(strict=False)] = ()
    """Settings that ours was chosen from, each with its score on validation."""


class Figure(Schema):
    """A figure of the report, in our own words."""

    number: str
    caption: str
    """May hold `{points}`, the number of points that a scatter plot shows."""
    draw: str
    """A drawing of `reports.drawings`, or a figure file of `ae_run.figures`."""
    runs: Names
    options: dict[str, Any] = Field(default_factory=dict)


class Table(Schema):
    """A table of the report that is no list of rows with one number each."""

    number: str
    caption: str
    header: Names
    rows: Annotated[tuple[Values, ...], Field(strict=False)]


class Report(Schema):
    """A report."""

    name: str
    title: str
    author: str
    about: str
    runs: dict[str, Run]
    searches: dict[str, Search] = Field(default_factory=dict)
    rows: Annotated[tuple[Row, ...], Field(strict=False)]
    figures: Annotated[tuple[Figure, ...], Field(strict=False)]
    tables: Annotated[tuple[Table, ...], Field(strict=False)] = ()

    @model_validator(mode="before")
    @classmethod
    def _shared_parts(cls, content: Any) -> Any:
        """Put what runs share, written once in the block `shared`, into each of them."""
        if not isinstance(content, dict) or not isinstance(content.get("runs"), dict):
            return content
        content = dict(content)
        blocks = {
            name: Shared.model_validate(block) for name, block in content.pop("shared", {}).items()
        }
        content["runs"] = {
            name: _with_shared(name, run, blocks) if isinstance(run, dict) else run
            for name, run in content["runs"].items()
        }
        return content

    @model_validator(mode="after")
    def _known_names(self) -> "Report":
        known = {*self.runs, *self.searches}
        used = {name: f"figure {figure.number}" for figure in self.figures for name in figure.runs}
        used |= {
            name: f"row {row.id}" for row in self.rows for name in (row.as_report, row.ours) if name
        }
        used |= {s.encoder: f"search {name}" for name, s in self.searches.items() if s.encoder}
        for name, where in used.items():
            if name not in known:
                raise ValueError(f"{where}: there is no run '{name}'")
        for position, (name, run) in enumerate(self.runs.items()):
            if isinstance(run.quick, str):
                stand_in = self.runs.get(run.quick)
                if stand_in is None or not isinstance(stand_in.quick, dict):
                    raise ValueError(f"run {name}: quick: no run '{run.quick}' with a quick budget")
            if run.init_from is not None and run.init_from not in list(self.runs)[:position]:
                raise ValueError(f"run {name}: init_from: no run '{run.init_from}' above it")
        ids = [row.id for row in self.rows] + [figure.number for figure in self.figures]
        if len(set(ids)) < len(ids):
            raise ValueError("two rows, or two figures, have the same name")
        return self

    def rows_of(self, name: str) -> list[Row]:
        """The rows that show a run or a search."""
        return [row for row in self.rows if name in (row.as_report, row.ours)]


def _with_shared(name: str, run: dict[str, Any], blocks: Mapping[str, Shared]) -> dict[str, Any]:
    run, args = dict(run), []
    quick: Cuts | None = {}
    for key in run.pop("shared", ()):
        if key not in blocks:
            raise ValueError(f"run {name}: there is no shared block '{key}'")
        block = blocks[key]
        args.append(block.args)
        quick = None if quick is None or block.quick is None else quick | block.quick
    run["args"] = " ".join([*args, str(run.get("args", ""))]).strip()
    if isinstance(run.setdefault("quick", {}), dict):
        run["quick"] = None if quick is None else quick | run["quick"]
    return run


def folder() -> Path:
    """The folder of the reports' files."""
    return conf_dir() / "reports"


def names() -> list[str]:
    """The reports that there are."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def load(name: str) -> Report:
    """Read a report.

    Raises:
        UserError: there is none of that name, or its file is wrong.
    """
    if name not in names():
        guess = nearest(name, names())
        hint = f"did you mean '{guess}'? " if guess else ""
        raise UserError(f"{name}: no such report; {hint}Choices: {', '.join(names())}")
    return read(folder() / f"{name}.yaml")


def read(path: Path) -> Report:
    """Read a report's file.

    Raises:
        UserError: it is wrong; the message says where.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Report.model_validate({"name": path.stem, **content})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where}: {' '.join(first['msg'].split())}") from None
    except (yaml.YAMLError, TypeError) as error:
        raise UserError(f"{path}: not readable as a YAML mapping: {error}") from None
