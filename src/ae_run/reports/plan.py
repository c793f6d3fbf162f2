"""From a report to runs: composed, validated, and named by a digest of what decides the result."""

import hashlib
import json
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ae_run import data
from ae_run.composition import compose
from ae_run.config import Config, validate
from ae_run.errors import UserError
from ae_run.reports.metrics import beside
from ae_run.reports.spec import Cuts, Report, Value

ROOT = Path("outputs/reports")
"""The folder of the reports' runs and pages."""

RESULTS_VERSION = 3
"""To be raised when a change of the program changes what a config results in."""
_DECIDES = ("seed", "data", "corruption", "model", "train", "evaluate")
# Where the images come from and how many threads work does not decide; the images themselves do.
# No report compares with classical denoisers, or has Fréchet distances.
_DECIDES_NOT = (
    ("data", "root"),
    ("data", "mirrors"),
    ("data", "download"),
    ("data", "suggested_steps"),
    ("data", "memory"),
    ("train", "threads"),
    ("train", "replicas"),
    ("evaluate", "denoisers"),
    ("evaluate", "frechet"),
)


PICTURES, WEIGHTS, EXAMPLES = "pictures", "weights", "examples"

# A key that configs had when the results below outputs were made: it is part of their digests.
_SUGGESTED_EPOCHS = {
    **dict.fromkeys(("mnist", "kmnist", "fashion_mnist", "mnist_mat"), 10),
    **dict.fromkeys(("notmnist", "colored_mnist", "npz", "idx", "folder"), 20),
    **dict.fromkeys(("digits", "colored_digits"), 100),
}


# Keys added since then: at these values they change no result, and are no part of the digests.
_ADDED: dict[str, dict[str, Any]] = {
    "data": {"binarize": "none"},
    "model": {"objective": "elbo", "importance_samples": 1},
}


@dataclass(frozen=True)
class Planned:
    """One run: one seed, one value of a sweep, one budget."""

    report: str
    name: str
    budget: str
    seed: int
    point: Value | None
    """The sweep's value."""
    overrides: tuple[str, ...]
    config: Config
    """Without `train.init_from`."""
    digest: str
    training: str
    """The same of what decides the weights: runs that share it differ by their evaluation only."""
    keeps: frozenset[str]
    """Parts of the finished run that stay beside its numbers: `PICTURES` where a figure shows it,
    `WEIGHTS` where a search or another run needs them, `EXAMPLES` of the first run behind a row,
    and the rows' metrics, whose scores per image are kept."""
    init_from: "Planned | None" = None
    """The run that it takes its starting weights from."""
    stand_in: bool = False
    """Whether these are the settings of another run, in place of a cut of its own."""

    @property
    def label(self) -> str:
        """For the log."""
        point = "" if self.point is None else f" {self.point}"
        return f"{self.report}/{self.name}{point} seed {self.seed} ({self.budget})"

    @property
    def command(self) -> str:
        """The command that repeats only this run."""
        start = (
            () if self.init_from is None else (f"train.init_from={path(self.init_from.digest)}",)
        )
        return shlex.join(["ae-run", *self.overrides, *start])


def path(digest: str, root: Path = ROOT) -> Path:
    """A run's folder below the reports' root."""
    return root / "runs" / digest


class Planner:
    """Plans runs; composes every command line, and loads every data set, only once."""

    def __init__(self, download: bool = True) -> None:
        """Without `download`, data that is not there is an error."""
        self._download = download
        self._configs: dict[tuple[str, ...], Config] = {}
        self._fingerprints: dict[str, str] = {}

    def runs(self, report: Report, name: str, budget: str, seeds: int) -> list[Planned]:
        """All runs behind a name of the report, by value of the sweep, then by seed.

        None at budget quick of a run that is done at full only.
        """
        run = report.runs[name]
        if budget == "quick" and run.quick is None:
            return []
        if budget == "quick" and isinstance(run.quick, str):
            return [
                replace(one, name=name, keeps=_keeps(report, name, one, run.quick), stand_in=True)
                for one in self.runs(report, run.quick, budget, seeds)
            ]
        points: Sequence[Value | None] = run.sweep.values if run.sweep else (None,)
        return [
            self._planned(report, name, budget, seed, point)
            for point in points
            for seed in range(run.seed, run.seed + run.count(budget, seeds))
        ]

    def _planned(
        self, report: Report, name: str, budget: str, seed: int, point: Value | None
    ) -> Planned:
        run = report.runs[name]
        changes: Cuts = {**run.changes(budget), "seed": seed}
        if run.sweep is not None and point is not None:
            changes[run.sweep.key] = point
        try:
            config = self.config(run.overrides).changed(changes)
        except UserError as error:
            raise UserError(f"report {report.name}, run {name}: {error}") from None
        before = None
        if run.init_from is not None:
            before = self._planned(report, run.init_from, budget, seed, None)
            before = replace(before, keeps=before.keeps | {WEIGHTS})
        overrides = [*run.overrides, *(_override(key, value) for key, value in changes.items())]
        digest, training = self._digests(config, before)
        planned = Planned(
            report=report.name,
            name=name,
            budget=budget,
            seed=seed,
            point=point,
            overrides=tuple(overrides),
            config=config,
            digest=digest,
            training=training,
            keeps=frozenset(),
            init_from=before,
        )
        return replace(planned, keeps=_keeps(report, name, planned, name))

    def config(self, overrides: Iterable[str]) -> Config:
        """The config that a command line gives."""
        key = tuple(overrides)
        if key not in self._configs:
            self._configs[key] = validate(compose(*key))
        return self._configs[key]

    def fingerprint(self, config: Config) -> str:
        """That of the images behind a config."""
        source = json.dumps(config.dump()["data"], sort_keys=True)
        if source not in self._fingerprints:
            where = config.data
            if not self._download and hasattr(where, "download"):
                where = where.model_copy(update={"download": False})
            self._fingerprints[source] = data.load(where).fingerprint
        return self._fingerprints[source]

    def _digests(self, config: Config, before: Planned | None) -> tuple[str, str]:
        """`Planned.digest` and `Planned.training`."""
        content = {key: config.dump()[key] for key in _DECIDES}
        for group, key in _DECIDES_NOT:
            content[group].pop(key, None)
        for group, added in _ADDED.items():
            same = {key for key, value in added.items() if content[group].get(key) == value}
            content[group] = {k: v for k, v in content[group].items() if k not in same}
        content["data"] |= {"suggested_epochs": _SUGGESTED_EPOCHS.get(config.data.name)}
        content |= {"version": RESULTS_VERSION, "fingerprint": self.fingerprint(config)}
        content["init_from"] = before.training if before else None
        training = {key: value for key, value in content.items() if key != "evaluate"}
        return _digest(content), _digest(training)


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(_without_null(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _override(key: str, value: Value | tuple[Value, ...]) -> str:
    """A key and its value as one would type them."""
    return f"{key}=[{','.join(map(str, value))}]" if isinstance(value, tuple) else f"{key}={value}"


def _keeps(report: Report, name: str, planned: Planned, settings: str) -> frozenset[str]:
    """The parts that rows and figures need of a run under a name, with the settings of another."""
    run, rows = report.runs[settings], report.rows_of(name)
    keeps = {metric for row in rows for metric in (row.metric, *beside(row.metric).values())}
    first = planned.seed == run.seed
    if first and any(name in figure.runs for figure in report.figures):
        keeps.add(PICTURES)
    if first and rows and (run.sweep is None or planned.point == run.sweep.values[0]):
        keeps.add(EXAMPLES)
    return frozenset(keeps)


def merged(planned: Iterable[Planned]) -> list[Planned]:
    """Each run once, keeping what any of its names needs."""
    found: dict[str, Planned] = {}
    for run in planned:
        known = found.setdefault(run.digest, run)
        found[run.digest] = replace(known, keeps=known.keeps | run.keeps)
    return list(found.values())


def _without_null(content: Any) -> Any:
    """Options that are off say nothing: one that is added later leaves the digests as they are."""
    if not isinstance(content, dict):
        return content
    return {key: _without_null(one) for key, one in content.items() if one is not None}
