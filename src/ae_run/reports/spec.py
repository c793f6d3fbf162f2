"""What `conf/reports/<name>.yaml` may say."""

import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ae_run.components import conf_dir, nearest
from ae_run.config import Schema
from ae_run.errors import UserError

Value = float | int | str
Values = Annotated[tuple[Value, ...], Field(strict=False, min_length=1)]
Names = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]


class Sweep(Schema):
    """One run per value of a key."""

    key: str
    values: Values


class Run(Schema):
    """A run, a sweep of runs, or either over several seeds."""

    args: str
    """What one would type after `ae-run`: the report's own budget."""
    quick: dict[str, Value] = Field(default_factory=dict)
    """Keys that budget quick sets; each of these is a cut that the page states."""
    seeds: bool = False
    """Whether it is repeated over `--seeds`; else seed 0 alone."""
    sweep: Sweep | None = None

    @property
    def overrides(self) -> list[str]:
        """The command line as a list."""
        return shlex.split(self.args)

    def changes(self, budget: str) -> dict[str, Value]:
        """The keys that a budget sets."""
        return self.quick if budget == "quick" else {}


class Search(Schema):
    """A hyperparameter search; a row that names it takes a searched key as its metric."""

    args: str
    """What one would type after `ae-run task=search`."""
    n_trials: int
    """The report's own number of trials."""
    quick: dict[str, Value] = Field(default_factory=dict)
    quick_trials: int
    encoder: str | None = None
    """The run whose codes a classifier search works on."""

    def overrides(self, budget: str) -> list[str]:
        """The command line as a list."""
        args, trials = shlex.split(self.args), self.n_trials
        if budget == "quick":
            trials = self.quick_trials
            args = [arg for arg in args if arg.partition("=")[0] not in self.quick]
            args += [f"{key}={value}" for key, value in self.quick.items()]
        return ["task=search", *args, f"search.n_trials={trials}"]


class Row(Schema):
    """A number of the report, beside ours."""

    id: str
    label: str
    report: Value | None
    """The report's own number."""
    metric: str
    """Where it stands in a run's results; see `compare.value`."""
    unit: str = "MSE"
    better: Literal["lower", "higher"] = "lower"
    as_report: str | None = None
    """The run with the report's plain setting."""
    ours: str | None = None
    """The run with values tuned on validation, at no more than its epochs and code size."""
    within: float | None = None
    """How far `as_report` may lie from the report's number: a share of it, or with a unit of
    `accuracy` the difference itself."""
    aim: float | None = None
    """What `ours` should reach."""
    note: str = ""
    missed: str = ""
    """Why the aim is missed, where it is with the report's own budget."""


class Figure(Schema):
    """A figure of the report, in our own words."""

    number: str
    caption: str
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

    @model_validator(mode="after")
    def _known_names(self) -> "Report":
        known = {*self.runs, *self.searches}
        used = {name: f"figure {figure.number}" for figure in self.figures for name in figure.runs}
        used |= {name: f"row {row.id}" for row in self.rows
                 for name in (row.as_report, row.ours) if name}  # fmt: skip
        used |= {s.encoder: f"search {name}" for name, s in self.searches.items() if s.encoder}
        for name, where in used.items():
            if name not in known:
                raise ValueError(f"{where}: there is no run '{name}'")
        ids = [row.id for row in self.rows] + [figure.number for figure in self.figures]
        if len(set(ids)) < len(ids):
            raise ValueError("two rows, or two figures, have the same name")
        return self


def folder() -> Path:
    """Where the reports' files lie."""
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
        raise UserError(f"{path}: {where}: {first['msg']}") from None
    except (yaml.YAMLError, TypeError) as error:
        raise UserError(f"{path}: not readable as a YAML mapping: {error}") from None
