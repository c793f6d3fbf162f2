"""Committed results, computed again from the arrays beside them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ae_run.evaluation.image_scores import image_scores
from ae_run.reports import reference
from ae_run.reports.metrics import mean_sd

_SIDES = ("as_report", "ours")
_HALF = {"rel": 1e-2, "abs": 1e-5, "nan_ok": True}  # outputs are kept as float16


def check(folder: Path) -> None:
    """Assert that every row, score per image and search of a report follows from its files."""
    rows, runs, searches = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("comparison", "runs", "searches")
    )
    with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    for row in rows:
        for side in _SIDES:
            digests = row["run_digest"].get(side, [])
            if digests and digests[0] in searches:
                _check_search(row, side, searches[digests[0]])
            elif digests and digests[0] in runs:
                _check_row(row, side, [runs[digest] for digest in digests], arrays)
    for run in runs.values():
        _check_examples(run, arrays)


def _check_row(
    row: Mapping[str, Any], side: str, runs: list[Any], arrays: Mapping[str, np.ndarray]
) -> None:
    values = [reference.recompute(row["metric"], run, arrays) for run in runs]
    mean, sd = mean_sd(values)
    assert row[side] == pytest.approx(mean, rel=1e-5), row["id"]
    assert row["sd"][side] == (None if sd is None else pytest.approx(sd, rel=1e-3))
    assert row["seeds"][side] == len(values)


def _check_search(row: Mapping[str, Any], side: str, search: Mapping[str, Any]) -> None:
    best = reference.best_trial(search)
    assert best["value"] == pytest.approx(row["search"]["best"])
    assert best[row["metric"]] == row[side]


def _check_examples(run: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """The scores of the first images, from what the model was given and what it gave."""
    keys = run["arrays"]
    if "examples_target" not in keys:
        return
    target, given, output = (
        torch.from_numpy(arrays[keys[f"examples_{name}"]].astype(np.float32))
        for name in ("target", "input", "output")
    )
    target = target / 255
    clean = torch.allclose(given, target, atol=1e-3)
    groups = {"": output} if clean else {"denoising.input.": given, "denoising.output.": output}
    for prefix, images in groups.items():
        for name, scores in image_scores(images, target).items():
            if f"{prefix}{name}" in keys:
                kept = arrays[keys[f"{prefix}{name}"]]
                assert kept[: len(scores)] == pytest.approx(scores.numpy(), **_HALF), prefix + name
