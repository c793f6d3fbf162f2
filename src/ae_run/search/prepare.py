"""What is checked before a search starts, and what it is."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ae_run.config import PLAIN_TASK, Config, validate
from ae_run.data import Dataset
from ae_run.dispatch import Job
from ae_run.errors import UserError
from ae_run.run_folder import RunFolder
from ae_run.search import space, storage, values
from ae_run.search.options import SearchConfig
from ae_run.search.space import Space

PROBE = "evaluate.probe.mlp."
"""What is searched with `search.objective=probe`."""
_ON_ONE_GPU = 4  # workers, where search.workers=auto
# Where data lies and how it is computed may differ between machines.
_ELSEWHERE = ("data.root", "data.download", "data.mirrors", "data.path", "train.threads")


@dataclass
class Search:
    """A search that was checked and can start."""

    job: Job
    config: Config
    label: str
    """`<data>-<model>`."""
    options: SearchConfig
    """Without the storage's password."""
    password: str | None
    space: Space
    name: str
    folder: RunFolder
    raw: dict[str, Any]
    """The config of its runs."""
    overrides: list[str]
    """Of its runs."""
    workers: int
    threads: int

    @property
    def epochs(self) -> int:
        """Of a trial that is not pruned, where they are not searched."""
        if self.options.objective == "probe":
            return int(self.raw["evaluate"]["probe"]["mlp"]["epochs"])
        return self.config.train.epochs


def prepare(job: Job) -> Search:
    """Check all that can be checked without data.

    Raises:
        UserError: the space, the sampler or the storage will not do.
    """
    from ae_run import devices
    from ae_run.search import samplers

    assert isinstance(job.config.search, SearchConfig)
    options, password = job.config.search, None
    if options.storage is not None:
        url, password = storage.split_password(options.storage)
        options = options.model_copy(update={"storage": url})
    raw, label, data_name = job.raw | PLAIN_TASK, job.label, job.choices.get("data", "data")
    if options.objective == "probe":
        raw, label = _of_encoder(job, raw)
        data_name = raw["data"]["name"]
    elif job.folder is not None:
        raise UserError(f"run={job.folder.path}: goes with search.objective=probe only")
    config = validate(raw)
    searched = space.parse(options.space)
    values.check(searched, raw, PROBE if options.objective == "probe" else "")
    points = samplers.check(options, searched)
    if points is not None:
        options = options.model_copy(update={"n_trials": min(points, options.n_trials)})
    workers, threads = _share_out(config, options, devices.resolve(config.device).type)
    storage.check(options.storage, workers)
    name = options.name or f"{job.choices.get('search', 'search')}-{data_name}"
    folder = RunFolder(Path("outputs") / "search" / name)
    kept = [line for line in job.overrides if _of_runs(line)]
    return Search(
        job, config, label, options, password, searched, name, folder, raw, kept, workers, threads
    )


def _of_encoder(job: Job, raw: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The encoder's own config with this command's `evaluate`, and its label."""
    if job.folder is None:
        raise UserError(
            "search.objective=probe: needs the run folder of a trained encoder: run=RUN_DIR"
        )
    if not job.folder.has("model.safetensors"):
        raise UserError(f"run={job.folder.path}: holds no model.safetensors; train it first")
    for line in job.overrides:
        key = line.lstrip("+~").partition("=")[0]
        may = ("evaluate", "figures", "device", "search", "experiment")
        if _of_runs(line) and key.partition(".")[0] not in may:
            raise UserError(f"{key}: cannot change for run={job.folder.path}; it is trained")
    saved = job.folder.read_config() | PLAIN_TASK
    mine = {key: raw[key] for key in ("evaluate", "figures", "device")}
    label = str(job.folder.read_json("run.json").get("label", job.folder.path.parent.name))
    return saved | mine, label


def _of_runs(override: str) -> bool:
    """Whether an override of the search is one of its runs too."""
    key = override.lstrip("+~").partition("=")[0]
    mine = ("task", "worker", "run", "run_dir", "resume")
    return key not in mine and not key.startswith(("search.", "hydra.", "hydra/"))


def _share_out(config: Config, options: SearchConfig, device: str) -> tuple[int, int]:
    """Worker processes, and threads for each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    workers = options.workers
    if workers == "auto":
        one = (options.storage or "").startswith("sqlite")
        workers = 1 if one else cores if device == "cpu" else min(cores, _ON_ONE_GPU)
        workers = min(workers, options.n_trials)
    assert isinstance(workers, int)
    return workers, config.train.threads or max(1, cores // workers)


def identity(search: Search, dataset: Dataset) -> dict[str, str]:
    """What makes it this search and no other: key → value, all as text."""
    searched = {p.key for p in search.space}
    found = {f"search.space {p.key}": p.summary() for p in search.space}
    for name in ("objective", "direction", "also_minimize"):
        found[f"search.{name}"] = str(getattr(search.options, name))
    for group in ("data", "corruption", "model", "train"):
        for key, value in _leaves(search.raw[group], f"{group}."):
            if key not in searched and key not in _ELSEWHERE:
                found[key] = str(value)
    if search.options.objective == "probe":
        assert search.job.folder is not None
        weights = search.job.folder.file("model.safetensors").read_bytes()
        found["encoder"] = hashlib.sha256(weights).hexdigest()[:12]
        for key, value in _leaves(search.raw["evaluate"]["probe"]["mlp"], PROBE):
            if key not in searched:
                found[key] = str(value)
    found["seed"] = str(search.raw["seed"])
    found["data fingerprint"] = dataset.fingerprint[:12]
    return found


def _leaves(values_: Mapping[str, Any], prefix: str) -> Sequence[tuple[str, Any]]:
    """Key and value of all that is no mapping; a list's items one by one."""
    found: list[tuple[str, Any]] = []
    for name, value in values_.items():
        key = f"{prefix}{name}"
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            found += _leaves({str(k): v for k, v in value.items()}, f"{key}.")
        else:
            found.append((key, value))
    return found


def describe(search: Search, dataset: Dataset) -> str:
    """The first lines of a search."""
    o = search.options
    pruner = "no pruning" if o.pruner == "none" else f"{o.pruner.replace('_', ' ')} pruning"
    lines = [
        f"search {search.name}: {o.n_trials} trials, {o.sampler}, {pruner}, "
        f"{search.workers} worker{'s' * (search.workers > 1)} × {search.threads} "
        f"thread{'s' * (search.threads > 1)}",
        f"data: {len(dataset.train)} train, {len(dataset.validation)} validation images",
        *(f"  {p.key}={p.summary()}" for p in search.space),
    ]
    return "\n".join(lines)
