"""The committed results of a report: page, figures, numbers, and the arrays behind the numbers.

`runs.json` holds every run's facts and scores, `searches.json` every search with its trials, and
`arrays.npz` what the rows' scores are computed from. A run's `arrays` name its own there: by metric
the score of each test image, or the confusion matrix; and `examples_target`, `examples_input`,
`examples_output`, the first test images as they are, as the run was given them, and what it made of
them. Equal arrays of several runs are stored once.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ae_run.atomic import write_bytes
from ae_run.drawing.run_data import RunData
from ae_run.reports import metrics
from ae_run.reports.compare import Searched
from ae_run.reports.plan import Planned
from ae_run.reports.results import Found
from ae_run.run_folder import RunFolder

_FACTS = (
    *("device", "device_name", "precision", "threads", "parameters", "epochs_done"),
    *("best_epoch", "monitor", "wall_seconds", "versions", "data"),
)
_EXAMPLES = ("examples_target", "examples_input", "examples_output")


def write(
    found: Mapping[str, Found],
    searched: Mapping[str, Searched],
    source: Path,
    target: Path,
) -> None:
    """Replace `target` by a report's folder and what its numbers are made of."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copytree(source / "figures", target / "figures")
    for name in ("comparison.json", "index.html"):
        shutil.copy(source / name, target / name)
    arrays: dict[str, np.ndarray] = {}
    runs: dict[str, Any] = {}
    for one in found.values():
        for plan, run in zip(one.planned, one.runs, strict=True):
            facts = runs.setdefault(plan.digest, _facts(plan, run))
            for name, array in _behind(plan, run).items():
                key = hashlib.sha256(array.tobytes()).hexdigest()[:12]
                arrays[key] = array
                facts["arrays"][name] = key
    _write_json(target / "runs.json", runs)
    _write_json(target / "searches.json", {p.digest: result for p, result in searched.values()})
    RunFolder(target).write_arrays("arrays.npz", arrays)


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    write_bytes(path, text.encode())


def _behind(plan: Planned, run: RunData) -> dict[str, np.ndarray]:
    """The arrays behind the rows' metrics, and the examples of the first run of a row."""
    found = {name: run.array(name) for name in _EXAMPLES}
    found |= {metric: metrics.per_image(run, metric) for metric in plan.keeps}
    return {name: array for name, array in sorted(found.items()) if array is not None}


def _facts(plan: Planned, run: RunData) -> dict[str, Any]:
    return {
        "name": plan.name,
        "budget": plan.budget,
        "seed": plan.seed,
        "point": plan.point,
        "command": plan.command,
        **{key: run.run.get(key) for key in _FACTS},
        "history": {"validation_mse": run.lowest("validation_mse")},
        "metrics": _without(run.metrics, "confusion", "history"),
        "arrays": {},
    }


def _without(content: Any, *keys: str) -> Any:
    """Nested mappings without some keys."""
    if not isinstance(content, dict):
        return content
    return {key: _without(one, *keys) for key, one in content.items() if key not in keys}


def recompute(metric: str, run: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> float:
    """A row's number of one run, from the committed arrays; what is no mean, from its facts."""
    key = run["arrays"].get(metric)
    if key is not None:
        return metrics.mean(arrays[key])
    facts = RunData(metrics=run["metrics"], run=dict(run))
    if metric.startswith("history."):
        return float(metrics.dig(run, metric.split(".")))
    return metrics.value(facts, metric)


def best_trial(search: Mapping[str, Any]) -> dict[str, Any]:
    """The best of a committed search's complete trials, of equals the first."""
    trials = [trial for trial in search["trial_list"] if trial["state"] == "complete"]
    sign = 1 if search["direction"] == "minimize" else -1
    best: dict[str, Any] = min(trials, key=lambda trial: sign * trial["value"])
    return best
