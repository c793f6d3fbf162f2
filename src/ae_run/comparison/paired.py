"""Paired differences between runs over the same test images, with a bootstrap interval.

Of each pair of runs: the mean over images of the difference of their scores, its 95 % percentile
bootstrap interval (Efron and Tibshirani 1993, chapter 13) and the p-value of Student's paired test.
They speak about other test images, not about other seeds: the trained models are fixed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ae_run.comparison.runs import FoundRun
from ae_run.errors import UserError
from ae_run.headline import Lead
from ae_run.run_folder import RunFolder

RESAMPLES = 2000
_CHUNK = 100
_LEVELS = (2.5, 97.5)


@dataclass(frozen=True)
class Pairs:
    """Row minus column of each pair of runs; every array is (runs, runs)."""

    images: int
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray
    """Of no difference in the mean; 1 for a run and itself."""
    better: np.ndarray
    """Share of the images on which the row's score is the better one; ties count half."""


def scores(run: FoundRun, lead: Lead) -> np.ndarray | None:
    """The leading score of each test image (N,), the mean over its seeds; None if not kept."""
    block = lead.block(run.metrics)
    if block.corruption is not None:
        name = f"denoising_output_{lead.key}"
    else:
        name = "test_mse" if lead.key == "mse" else f"scores_{lead.key}"
    seeds = sorted(run.folder.path.glob("replicas/*/artifacts.npz"))
    folders = [run.folder, *(RunFolder(path.parent) for path in seeds)]
    each = [arrays(folder, name).get(name) for folder in folders]
    return averaged([one if one is not None and np.isfinite(one).all() else None for one in each])


def averaged(each: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Of scores of the same images, each (N,): float64 (N,); None if some are missing."""
    kept = [one for one in each if one is not None]
    if len(kept) < len(each) or len({one.shape for one in kept}) != 1:
        return None
    found: np.ndarray = np.mean(kept, axis=0, dtype=float)
    return found


def arrays(folder: RunFolder, *names: str) -> dict[str, np.ndarray]:
    """Some arrays of `artifacts.npz`, without reading the others; those that it does not have and
    those of a file that cannot be read are missing.
    """
    try:
        return folder.salvage_arrays("artifacts.npz", names)[0]
    except UserError:
        return {}


def pairs(each: Sequence[np.ndarray], lead: Lead, seed: int = 0) -> Pairs:
    """Compare every two of several runs.

    All pairs see the same resamples, so that one matrix of weights serves all.

    Args:
        each: scores of the same images in the same order, each (N,), N ≥ 2.
        lead: what they are.
        seed: of the resamples.
    """
    from scipy import stats

    matrix = np.stack(each, axis=1)  # (N, runs)
    count = len(matrix)
    means = matrix.mean(axis=0)
    resampled = _bootstrap(matrix, seed)  # (RESAMPLES, runs)
    difference = resampled[:, :, None] - resampled[:, None, :]
    low, high = np.percentile(difference, _LEVELS, axis=0)
    covariance = np.atleast_2d(np.cov(matrix, rowvar=False))
    variance = np.diag(covariance)[:, None] + np.diag(covariance) - 2 * covariance
    mean = means[:, None] - means
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(mean == 0, 0.0, np.abs(mean) / np.sqrt(np.maximum(variance, 0) / count))
    costs = lead.cost(1.0) * matrix
    better = np.array([_lower(column[:, None], costs) for column in costs.T])
    return Pairs(count, mean, low, high, 2 * stats.t.sf(t, count - 1), better)


def _bootstrap(matrix: np.ndarray, seed: int) -> np.ndarray:
    """The mean of each column over resampled rows: (RESAMPLES, columns)."""
    random, count = np.random.default_rng(seed), len(matrix)
    centred = matrix - matrix.mean(axis=0)
    parts = []
    for start in range(0, RESAMPLES, _CHUNK):
        size = min(_CHUNK, RESAMPLES - start)
        drawn = random.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        parts.append(weights @ centred / count)
    means: np.ndarray = np.concatenate(parts) + matrix.mean(axis=0)
    return means


def _lower(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    share: np.ndarray = (one < others).mean(axis=0) + (one == others).mean(axis=0) / 2
    return share
