"""`train.replicas`: the same run with further seeds, for a mean and a standard deviation.

The run itself has the first seed. Those after it lie in its folder, `replicas/seed-<n>/`, each
with the files of a run of its own, but for figures and page; `replicas.json` sums them up.
"""

import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ae_run.config import Config, validate
from ae_run.data import Dataset
from ae_run.run_folder import RunFolder

if TYPE_CHECKING:
    import torch

    from ae_run.training import Fit

FOLDER, SUMMARY = "replicas", "replicas.json"
_NOT_SCORES = ("n", "latent_dim", "level")


def start_others(run: "Fit", overrides: list[str]) -> "list[Fit]":
    """The runs with the seeds after the first one's, begun or to be gone on with."""
    from ae_run.runs import start

    found = []
    for seed in range(run.config.seed + 1, run.config.seed + run.config.train.replicas):
        raw = run.config.dump()
        config = validate(raw | {"seed": seed, "train": raw["train"] | {"replicas": 1}})
        folder = RunFolder(run.folder.file(FOLDER) / f"seed-{seed}", quiet=True)
        folder.path.mkdir(parents=True, exist_ok=True)
        label = run.folder.read_json("run.json")["label"]
        found.append(start(config, run.dataset, folder, label, overrides))
    return found


def fit_all(run: "Fit", others: "list[Fit]") -> Iterator[None]:
    """Train all; yield after each epoch. On CUDA in one batched model, where that is possible.

    On a CPU, a batched model is no faster than one model after the other.
    """
    from ae_run.runs import training_facts
    from ae_run.training import fit, together

    with _status(others):
        reason = together.why_not(run) if others else None
        if others and run.device.type == "cuda" and reason is None:
            for _ in together.fit_together([run, *others]):
                yield
        else:
            if others and run.device.type == "cuda":
                run.folder.say(f"seeds are trained one after the other: {reason}")
            for one in (run, *others):
                for _ in fit(one):
                    yield
        for other in others:
            other.folder.update_json("run.json", **training_facts(other))


@contextmanager
def _status(others: "list[Fit]") -> Iterator[None]:
    """Keep the status in every `run.json` true."""
    try:
        yield
    except BaseException:
        for other in others:
            if other.folder.read_json("run.json")["status"] == "running":
                other.folder.update_json("run.json", status="interrupted")
        raise


def evaluate_others(
    folder: RunFolder, config: Config, dataset: Dataset, device: "torch.device", again: bool
) -> bool:
    """Score the other seeds as the first one, but for what only figures show; then sum up.

    Args:
        folder: of the first seed.
        config: whose `evaluate` says what to score.
        dataset: which they were trained on.
        device: to score on.
        again: whether to score those that have scores.

    Returns:
        Whether anything was scored.
    """
    from ae_run import evaluation, models
    from ae_run.runs import note_scored, scored
    from ae_run.training import checkpoints

    shown = {"latent": None, "convergence": None, "tsne": ()}
    what = config.evaluate.model_copy(update=shown)
    new = False
    paths = sorted(folder.file(FOLDER).glob("seed-*"), key=lambda p: int(p.name.split("-")[1]))
    for path in paths:
        other = RunFolder(path, quiet=True)
        if again or not scored(other):
            its = validate(other.read_config()).model_copy(update={"evaluate": what})
            model = models.build(its.model, dataset.image_shape)
            checkpoints.load_weights(other, model)
            evaluation.evaluate(its, model, dataset, other, device)
            note_scored(other)
            new = True
        other.update_json("run.json", status="finished")
    if paths:
        every = [folder, *(RunFolder(path) for path in paths)]
        folder.write_json(SUMMARY, _summary(every))
    return new


def _summary(folders: list[RunFolder]) -> dict[str, Any]:
    """Mean, standard deviation and values of each score over the seeds."""
    found = [_scores(folder.read_json("metrics.json")) for folder in folders]
    names = [name for name in found[0] if all(name in scores for scores in found)]
    seeds = [folder.read_json("run.json")["seed"] for folder in folders]
    scores = {}
    for name in names:
        values = [one[name] for one in found]
        mean, sd = statistics.fmean(values), statistics.stdev(values)
        scores[name] = {"mean": mean, "sd": sd, "values": values}
    return {"seeds": seeds, "scores": scores}


def _scores(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers in the metrics, by their path; baselines do not depend on the seed."""
    found: dict[str, float] = {}
    for key, value in metrics.items():
        if key in ("baseline", "input"):
            continue
        if isinstance(value, Mapping):
            found |= _scores(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and key not in _NOT_SCORES:
            found[f"{prefix}{key}"] = float(value)
    return found
