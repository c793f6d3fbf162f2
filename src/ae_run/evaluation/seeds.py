"""Summary of scores over the seeds of a run."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ae_run.run_folder import RunFolder

_NOT_SCORES = ("n", "latent_dim", "level", "log_likelihood_n", "log_likelihood_samples")


def summary(folders: Sequence[RunFolder]) -> dict[str, Any]:
    """Mean, standard deviation and values of each score over the seeds."""
    each = [_scores(folder.read_json("metrics.json")) for folder in folders]
    names = [name for name in each[0] if all(name in scores for scores in each)]
    seeds = [folder.read_json("run.json")["seed"] for folder in folders]
    scores = {}
    for name in names:
        values = [one[name] for one in each]
        mean, sd = statistics.fmean(values), statistics.stdev(values)
        scores[name] = {"mean": mean, "sd": sd, "values": values}
    return {"seeds": seeds, "scores": scores}


def _scores(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers in the metrics by dotted path, except baselines, which depend on no seed."""
    scores: dict[str, float] = {}
    for key, value in metrics.items():
        if key in ("baseline", "input", "denoisers"):
            continue
        if isinstance(value, Mapping):
            scores |= _scores(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and key not in _NOT_SCORES:
            scores[f"{prefix}{key}"] = float(value)
    return scores
