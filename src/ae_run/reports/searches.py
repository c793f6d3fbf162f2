"""A report's hyperparameter searches: each is an `ae-run task=search`, found again by a digest."""

import hashlib
import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ae_run.reports.plan import RESULTS_VERSION, WEIGHTS, Planned, Planner
from ae_run.reports.spec import Report, Search
from ae_run.run_folder import RunFolder

_CUTS = {
    "data.limit": "{:,} images",
    "train.epochs": "{} epochs",
    "search.space": "narrower ranges",
}
_FOLDER = Path("outputs/search")  # where the search task keeps its studies


@dataclass(frozen=True)
class PlannedSearch:
    """One search at one budget."""

    report: str
    name: str
    budget: str
    digest: str
    overrides: tuple[str, ...]
    trials: int
    direction: str
    tags: tuple[str, ...]
    encoder: Planned | None = None
    """The run whose codes are classified, with its weights."""

    @property
    def study(self) -> str:
        """Its name, the same for the same search: the search task resumes it."""
        return f"{self.report}-{self.name}-{self.digest}"

    @property
    def command(self) -> str:
        """The command that repeats it."""
        return shlex.join(["ae-run", *self.overrides])


def plan(planner: Planner, report: Report, name: str, budget: str, root: Path) -> PlannedSearch:
    """A search with its digest; `root` is where the reports' runs lie."""
    search = report.searches[name]
    overrides, encoder = tuple(search.overrides(budget)), None
    if search.encoder is not None:
        (encoder,) = planner.runs(report, search.encoder, budget, 1)
        encoder = replace(encoder, keeps=encoder.keeps | {WEIGHTS})
        overrides += (f"run={root / 'runs' / encoder.digest}",)
    # Ranges in the command line's own notation are the search task's to read.
    config = planner.config([one for one in overrides if not one.startswith("search.")])
    options = config.model_dump(mode="json")["search"]
    text = json.dumps([RESULTS_VERSION, planner.fingerprint(config), options, overrides])
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return PlannedSearch(
        report=report.name,
        name=name,
        budget=budget,
        digest=digest,
        overrides=overrides,
        trials=search.count(budget),
        direction=options["direction"],
        tags=_tags(search, budget),
        encoder=encoder,
    )


def _tags(search: Search, budget: str) -> tuple[str, ...]:
    """The budget and what it leaves out, as `results.tags` has it for runs."""
    whole = "" if search.report_trials is None else f"/{search.report_trials}"
    cuts = search.quick if budget == "quick" else {}
    known = [text.format(cuts[key]) for key, text in _CUTS.items() if key in cuts]
    return (budget, f"{search.count(budget)}{whole} trials", *known)


def run(planned: PlannedSearch, root: Path, jobs: int) -> str | None:
    """Start a search or resume it; keep its result.

    Returns:
        What went wrong; None where all went well.
    """
    print(f"search {planned.report}/{planned.name}: {planned.trials} trials", flush=True)
    command = [
        *(sys.executable, "-m", "ae_run", *planned.overrides),
        *(f"search.name={planned.study}", f"search.workers={min(jobs, planned.trials)}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    folder = RunFolder(study_path(planned))
    if done.returncode != 0 or not folder.has("search.json"):
        lines = done.stderr.strip().splitlines()
        return lines[-1] if lines else f"exit code {done.returncode}"
    path, found = result_path(planned, root), folder.read_json("search.json")
    found |= {"direction": planned.direction, "trial_list": _trials(folder, found)}
    path.parent.mkdir(parents=True, exist_ok=True)
    RunFolder(path.parent).write_json(path.name, found)
    print(f"search {planned.report}/{planned.name}: best {found['best']['value']:.5g}", flush=True)
    return None


def _trials(folder: RunFolder, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every trial with its score and values, as text where they are no numbers."""
    columns = ("number", "state", "value", *found["best"]["params"])
    rows = folder.read_csv("trials.csv")
    return [{key: _number(row[key]) for key in columns} for row in rows]


def _number(text: str) -> float | str | None:
    try:
        return float(text)
    except ValueError:
        return text or None


def read(planned: PlannedSearch, root: Path) -> dict[str, Any] | None:
    """The result, or None where the search has not ended."""
    path = result_path(planned, root)
    folder = RunFolder(path.parent)
    return folder.read_json(path.name) if folder.has(path.name) else None


def result_path(planned: PlannedSearch, root: Path) -> Path:
    """The file that the result is kept in."""
    return root / "searches" / f"{planned.digest}.json"


def study_path(planned: PlannedSearch) -> Path:
    """The folder in which the search task keeps its study."""
    return _FOLDER / planned.study
