"""What of a report's results is committed: page, figures, numbers, and what the numbers come from.

`runs.json` holds every run's facts and scores, `arrays.npz` what scores are sums over: by digest
of the run `<digest>/test_mse`, the error of each test image, and `<digest>/confusion` of the
probes.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ae_run.drawing.run_data import RunData
from ae_run.reports.plan import Planned
from ae_run.reports.results import Found, dig
from ae_run.reports.spec import Report
from ae_run.run_folder import RunFolder, write_bytes

_FACTS = ("device", "device_name", "precision", "threads", "parameters", "epochs_done",
          "best_epoch", "monitor", "wall_seconds", "versions", "data")  # fmt: skip


def write(report: Report, found: Mapping[str, Found], source: Path, target: Path) -> None:
    """Replace `target` by a report's folder and what its numbers are made of."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copytree(source / "figures", target / "figures")
    for name in ("comparison.json", "index.html"):
        shutil.copy(source / name, target / name)
    pairs = [pair for one in found.values() for pair in zip(one.planned, one.runs, strict=True)]
    runs = {plan.digest: _facts(plan, run) for plan, run in pairs}
    text = json.dumps(runs, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    write_bytes(target / "runs.json", text.encode())
    plain = {name for row in report.rows if row.metric == "mse"
             for name in (row.as_report, row.ours) if name}  # fmt: skip
    arrays: dict[str, np.ndarray] = {}
    for plan, run in pairs:
        if plan.name in plain:
            arrays[f"{plan.digest}/test_mse"] = run.arrays["test_mse"].astype(np.float32)
        for name, probe in (run.metrics.get("probe") or {}).items():
            arrays[f"{plan.digest}/confusion/{name}"] = np.array(probe["confusion"], np.int32)
    RunFolder(target).write_arrays("arrays.npz", arrays)


def _facts(plan: Planned, run: RunData) -> dict[str, Any]:
    facts = {key: run.run.get(key) for key in _FACTS}
    return {
        "name": plan.name,
        "budget": plan.budget,
        "seed": plan.seed,
        "point": plan.point,
        "command": plan.command,
        **facts,
        "history": {"validation_mse": run.lowest("validation_mse")},
        "metrics": _without(run.metrics, "confusion", "history"),
    }


def _without(content: Any, *keys: str) -> Any:
    """Nested mappings without some keys."""
    if not isinstance(content, dict):
        return content
    return {key: _without(one, *keys) for key, one in content.items() if key not in keys}


def recompute(
    metric: str, digest: str, runs: Mapping[str, Any], arrays: Mapping[str, Any]
) -> float:
    """A row's number of one run, from the committed files alone."""
    keys = metric.split(".")
    if metric == "mse":
        return float(arrays[f"{digest}/test_mse"].astype(np.float64).mean())
    if keys[0] == "probe":
        confusion = arrays[f"{digest}/confusion/{keys[1]}"]
        return float(np.trace(confusion) / confusion.sum())
    path, _, level = metric.partition("@")
    keys = path.split(".")
    if keys[0] == "run":
        return float(dig(runs[digest], keys[1:]))
    root = runs[digest] if keys[0] == "history" else runs[digest]["metrics"]
    found = dig(root, keys)
    if level:
        levels = dig(root, [*keys[:-1], "levels"])
        return float(found[int(np.argmin(np.abs(np.array(levels) - float(level))))])
    return float(found)
