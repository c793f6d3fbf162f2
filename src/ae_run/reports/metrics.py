"""Metrics by path: their value in a run, the scores that it is a mean of, the baselines beside it.

A metric is a path in `metrics.json`, such as `probe.mlp.accuracy`; with `@0.45`, the value of a
robustness curve at that level. `history.validation_mse` is the lowest value of a column in the
last stage, and `run.data.twins.validation_in_train` a path in `run.json`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ae_run.drawing.run_data import RunData, floats
from ae_run.errors import UserError

PER_IMAGE = "per_image/"
"""Prefix, in a trimmed run's arrays, of a metric's scores for each test image."""


def value(run: RunData, metric: str) -> float:
    """One number of a run.

    Raises:
        UserError: the run has no such number.
    """
    path, _, level = metric.partition("@")
    keys = path.split(".")
    if keys[0] == "history":
        lowest = run.lowest(keys[1])
        if lowest is None:
            raise UserError(f"{metric}: the run has no such column")
        return lowest
    found = dig(run.run, keys[1:]) if keys[0] == "run" else dig(run.metrics, keys)
    if level and isinstance(found, list):
        at = _index(run, keys[1], level)
        found = None if at is None else found[at]
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise UserError(f"{metric}: the run has no such number")
    return float(found)


def per_image(run: RunData, metric: str) -> np.ndarray | None:
    """The source of a metric: its score for each test image (N,), or a confusion matrix (K, K)."""
    kept = run.array(PER_IMAGE + metric)
    if kept is not None:
        return kept
    path, _, level = metric.partition("@")
    group, *keys = path.split(".")
    if group == "probe":
        confusion = dig(run.metrics, [group, *keys[:-1], "confusion"])
        return np.array(confusion, np.int32) if confusion and keys[-1] == "accuracy" else None
    if level:
        scores, at = run.array("_".join((group, *keys))), _index(run, keys[0], level)
        return None if scores is None or at is None else scores[at]
    if metric == "mse":
        return run.array("test_mse")
    return run.array("_".join((group, *keys)) if keys else f"scores_{group}")


def mean(scores: np.ndarray) -> float:
    """The metric that `per_image` scores give; NaN, an image without a score, is left out."""
    if scores.ndim == 2:
        return float(np.trace(scores) / scores.sum())
    return float(np.nanmean(scores.astype(np.float64)))


def beside(metric: str) -> dict[str, str]:
    """The baselines that a metric compares with: the metric of each, by name.

    `input`: the corrupted input itself; `pca`: PCA of the same size, or the same classifier on
    its codes; `pixels`: the same classifier on the images.
    """
    path, at, level = metric.partition("@")
    group, _, score = path.rpartition(".")
    if path == "mse":
        return {"pca": "baseline.pca.mse"}
    if group == "denoising.output":
        return {name: f"denoising.{name}.{score}" for name in ("input", "pca")}
    if group.startswith("robustness.") and score == "mse":
        return {name: f"{group}.{name}_mse{at}{level}" for name in ("input", "pca")}
    if group.startswith("probe.") and score == "accuracy":
        return {name: f"{group}.baselines.{name}.accuracy" for name in ("pixels", "pca")}
    return {}


def dig(content: Any, keys: Sequence[str]) -> Any:
    """The value at a path of nested mappings, or None."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation (n − 1); the latter None for one value."""
    array = floats(values)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None


def _index(run: RunData, curve: str, level: str) -> int | None:
    """The place of a level on a robustness curve."""
    levels = dig(run.metrics, ["robustness", curve, "levels"]) or []
    near = [i for i, at in enumerate(levels) if abs(at - float(level)) < 1e-9]
    return near[0] if near else None
