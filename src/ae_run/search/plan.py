"""The plan of a search: checked as far as possible without data, and what identifies it."""

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ae_run.config import PLAIN_TASK, Config, validate
from ae_run.data import Dataset
from ae_run.errors import UserError
from ae_run.job import Job
from ae_run.messages import flatten, nearest_key
from ae_run.processes import usable_cores
from ae_run.run_folder import WEIGHTS, RunFolder
from ae_run.search import space, storage
from ae_run.search.config import SearchConfig
from ae_run.search.parameters import Parameter
from ae_run.search.space import Space, Values
from ae_run.training.length import known_epochs, with_epochs

PROBE = "evaluate.probe.mlp."
"""Prefix of the keys that may be searched with `search.objective=probe`."""
_ON_ONE_GPU = 4  # workers, with search.workers=auto
# May differ between machines: where data lies and how it is computed.
_ELSEWHERE = (
    *("data.root", "data.download", "data.mirrors", "data.path", "train.threads"),
    "train.loggers",
    "data.suggested_steps",  # gives train.epochs, which counts
    "data.memory",
)
# Not part of how a model is trained, or the scores of trials would not be comparable.
_FIXED = (
    *("task", "run_dir", "resume", "run", "worker", "device", "evaluate", "figures", "search"),
    *("train.monitor", "data.validation_fraction", "data.split_seed"),
    "data.binarize",
)


@dataclass
class Plan:
    """A search that was checked and can start."""

    job: Job
    config: Config
    """Of its runs, before any value is searched."""
    label: str
    """`<data>-<model>`."""
    options: SearchConfig
    """Without the storage's password."""
    password: str | None
    space: Space
    name: str
    folder: RunFolder
    overrides: list[str]
    """Of its runs."""
    workers: int
    threads: int
    """Of each worker."""

    @property
    def epochs(self) -> int:
        """Epochs of a trial that is not pruned, unless `train.epochs` is searched."""
        if self.options.objective == "probe":
            assert self.config.evaluate.probe is not None
            return self.config.evaluate.probe.mlp.epochs
        return known_epochs(self.config.train)

    @property
    def encoder(self) -> Path | None:
        """The run folder whose codes are classified, with `search.objective=probe`."""
        return self.job.folder.path if self.job.folder is not None else None

    @property
    def best_from_file(self) -> str:
        """The command that trains with `experiment/best.yaml`."""
        code = [line for line in self.overrides if line.startswith("code=")]
        return shlex.join(
            ["ae-run", "--config-dir", str(self.folder.path), "experiment=best", *code]
        )


def make(job: Job) -> Plan:
    """Check everything that can be checked without data.

    Raises:
        UserError: the space, the sampler or the storage is invalid.
    """
    from ae_run import devices
    from ae_run.search import samplers

    assert isinstance(job.config.search, SearchConfig)
    options, password = job.config.search, None
    if options.storage is not None:
        url, password = storage.split_password(options.storage)
        options = options.model_copy(update={"storage": url})
    config, label = job.config.model_copy(update=PLAIN_TASK), job.label
    data_name = job.choices.get("data", "data")
    if options.objective == "probe":
        config, label = _of_encoder(job)
        data_name = config.data.name
    elif job.folder is not None:
        raise UserError(f"run={job.folder.path}: only with search.objective=probe")
    searched = space.parse(options.space)
    _check_values(searched, config, PROBE if options.objective == "probe" else "")
    points = samplers.check(options, searched)
    if points is not None:
        options = options.model_copy(update={"n_trials": min(points, options.n_trials)})
    workers, threads = _workers_and_threads(config, options, devices.resolve(config.device).type)
    storage.check(options.storage, workers)
    name = options.name or f"{job.choices.get('search', 'search')}-{data_name}"
    return Plan(
        job=job,
        config=config,
        label=label,
        options=options,
        password=password,
        space=searched,
        name=name,
        folder=RunFolder(Path("outputs") / "search" / name),
        overrides=[line for line in job.overrides if _is_of_runs(line)],
        workers=workers,
        threads=threads,
    )


def with_data(plan: Plan, dataset: Dataset) -> Plan:
    """The plan with the epochs that this data asks for: the same for all trials."""
    config, overrides = with_epochs(plan.config, len(dataset.train)), plan.overrides
    if config is not plan.config:  # a trial's batches must not change the number
        overrides = [*overrides, f"train.epochs={config.train.epochs}"]
    return replace(plan, config=config, overrides=overrides)


def _of_encoder(job: Job) -> tuple[Config, str]:
    """The encoder's own config with this command's `evaluate`, and its label."""
    if job.folder is None:
        raise UserError(
            "search.objective=probe: needs the run folder of a trained encoder: run=RUN_DIR"
        )
    if not job.folder.has(WEIGHTS):
        raise UserError(f"run={job.folder.path}: has no model.safetensors; train it first")
    for line in job.overrides:
        key = line.lstrip("+~").partition("=")[0]
        may = ("evaluate", "figures", "device", "search", "experiment")
        if _is_of_runs(line) and key.partition(".")[0] not in may:
            raise UserError(f"{key}: cannot change for run={job.folder.path}; it is trained")
    mine = job.config.dump()
    mine = {key: mine[key] for key in ("evaluate", "figures", "device")}
    label = str(job.folder.read_json("run.json").get("label", job.folder.path.parent.name))
    return validate(job.folder.read_config() | PLAIN_TASK | mine), label


def _is_of_runs(override: str) -> bool:
    """Whether an override of the search also applies to its runs."""
    key = override.lstrip("+~").partition("=")[0]
    mine = ("task", "worker", "run", "run_dir", "resume")
    return key not in mine and not key.startswith(("search.", "hydra.", "hydra/"))


def _workers_and_threads(config: Config, options: SearchConfig, device: str) -> tuple[int, int]:
    """Number of workers, and of threads for each."""
    cores = usable_cores()
    workers = options.workers
    if workers == "auto":
        one = (options.storage or "").startswith("sqlite")
        workers = 1 if one else cores if device == "cpu" else _on_gpus(config.device, cores)
        workers = min(workers, options.n_trials)
    assert isinstance(workers, int)
    return workers, config.train.threads or max(1, cores // workers)


def _on_gpus(device: str, cores: int) -> int:
    from ae_run import devices

    count = devices.shared(device)
    return max(count, min(cores, count * _ON_ONE_GPU))


def _check_values(searched: Space, config: Config, prefix: str) -> None:
    """Refuse keys that do not exist and bounds that the config's own rules refuse.

    Args:
        searched: the space.
        config: of the runs.
        prefix: only keys below it may be searched; "" for all that make up a run.

    Raises:
        UserError: one message for all of them.
    """
    wrong = [line for p in searched for line in _wrong_values(p, searched, config, prefix)]
    if wrong:
        raise UserError("\n        ".join(dict.fromkeys(wrong)))


def _wrong_values(p: Parameter, searched: Space, config: Config, prefix: str) -> Iterator[str]:
    if not prefix and any(p.key == f or p.key.startswith(f"{f}.") for f in _FIXED):
        yield f"search.space: {p.key}: cannot be searched; trials would not be comparable"
        return
    if prefix and not p.key.startswith(prefix):
        yield f"search.space: {p.key}: with search.objective=probe keys must begin with {prefix}"
        return
    try:
        old = space.value_at(config, p.key)
    except (KeyError, IndexError, ValueError, TypeError):
        guess = nearest_key(p.key, [k for k in flatten(config.dump()) if k.startswith(prefix)])
        hint = f"; did you mean '{guess}'?" if guess else ""
        yield f"search.space: {p.key}: no such key{hint}"
        return
    if isinstance(old, Mapping | list):
        yield f"search.space: {p.key}: has several values; search one of them, as {p.key}.0"
        return
    for value in p.ends():
        values: Values = {p.key: value}
        parent: Parameter | None = p
        while parent is not None and parent.when is not None:
            values[parent.when[0]] = parent.when[1]
            parent = next(q for q in searched if q.key == parent.when[0])
        try:
            config.changed(values)
        except UserError as error:
            yield f"search.space: {error}"
            return


def identity(plan: Plan, dataset: Dataset) -> dict[str, str]:
    """What tells this search from any other: key → value, all as text."""
    config, searched = plan.config.dump(), {p.key for p in plan.space}
    facts = {f"search.space {p.key}": p.summary() for p in plan.space}
    for name in ("objective", "direction", "also_minimize"):
        facts[f"search.{name}"] = str(getattr(plan.options, name))
    for group in ("data", "corruption", "model", "train"):
        for key, value in _leaves(config[group], f"{group}."):
            if key not in searched and key not in _ELSEWHERE:
                facts[key] = str(value)
    if plan.options.objective == "probe":
        assert plan.encoder is not None
        weights = (plan.encoder / WEIGHTS).read_bytes()
        facts["encoder"] = hashlib.sha256(weights).hexdigest()[:12]
        for key, value in _leaves(config["evaluate"]["probe"]["mlp"], PROBE):
            if key not in searched:
                facts[key] = str(value)
    facts["seed"] = str(plan.config.seed)
    facts["data fingerprint"] = dataset.fingerprint[:12]
    return facts


def _leaves(mapping: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Key and value of everything that is not a mapping; a list's items one by one."""
    for name, value in mapping.items():
        key = f"{prefix}{name}"
        if isinstance(value, list):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            yield from _leaves({str(k): v for k, v in value.items()}, f"{key}.")
        else:
            yield key, value


def describe(plan: Plan, dataset: Dataset) -> str:
    """The first lines that a search prints."""
    o = plan.options
    pruner = "no pruning" if o.pruner == "none" else f"{o.pruner.replace('_', ' ')} pruning"
    lines = [
        f"search {plan.name}: {o.n_trials} trials, {o.sampler}, {pruner}, "
        f"{plan.workers} worker{'s' * (plan.workers > 1)} × {plan.threads} "
        f"thread{'s' * (plan.threads > 1)}",
        f"data: {len(dataset.train)} train, {len(dataset.validation)} validation images",
        *(f"  {p.key}={p.summary()}" for p in plan.space),
    ]
    return "\n".join(lines)
