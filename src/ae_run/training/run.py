"""A training run: its parts, its start, and its facts in `run.json`."""

import platform
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from ae_run import components, devices, models
from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.errors import UserError
from ae_run.models import Autoencoder
from ae_run.randomness import derive_seed
from ae_run.run_folder import RESUME, RunFolder
from ae_run.training import checkpoints, precision
from ae_run.training.length import known_epochs, with_epochs
from ae_run.training.stopping import why_early


@dataclass
class Run:
    """The parts of a training run."""

    config: Config
    model: Autoencoder
    dataset: Dataset
    folder: RunFolder
    device: torch.device
    precision: str
    """float32, bfloat16 or float64."""

    @property
    def monitor(self) -> str:
        """The validation score that picks the best weights."""
        chosen = self.config.train.monitor
        return self.model.monitor if chosen == "auto" else chosen


def start(
    config: Config,
    dataset: Dataset,
    folder: RunFolder | None,
    label: str,
    overrides: Sequence[str],
) -> Run:
    """Build the model, check the config against it and the data, create or open the run folder.

    Args:
        config: of the run.
        dataset: the data set of `config.data`.
        folder: to resume in; None creates `config.run_dir`, or a new one below `outputs/`.
        label: `<data>-<model>`, the options' names on the command line.
        overrides: of the command line.

    Raises:
        UserError: the model does not fit the data, the device does not exist, or the folder
            holds a run on other data.
    """
    device = devices.resolve(config.device)
    config = with_epochs(config, len(dataset.train))
    if device.type == "mps" and config.train.precision == "float64":
        raise UserError("train.precision=float64: not on device=mps; choices: auto, float32")
    known: dict[str, Any] = {}
    if folder is not None and folder.has("run.json"):
        known = folder.read_json("run.json")
        check_fingerprint(folder, dataset)
    threads = known.get("threads") or precision.threads(config.train, len(dataset.train), device)
    torch.set_num_threads(threads)
    torch.manual_seed(derive_seed(config.seed, "init"))
    model = models.build(config.model, dataset.image_shape, dataset.mean_pixel)
    if config.train.init_from is not None and not (folder and folder.has(RESUME)):
        checkpoints.load_weights(RunFolder.open(config.train.init_from, "train.init_from"), model)
    chosen = known.get("precision") or precision.choose(config.train.precision, model, device)
    run = Run(config, model, dataset, folder or RunFolder(Path()), device, chosen)
    if len(dataset.validation):
        _check_monitor(run)
    if folder is None:
        folder = RunFolder.create(config.run_dir, label, config.name, config.dump())
        run.folder = folder
        text = "".join(f"{override}\n" for override in overrides)
        folder.file("overrides.txt").write_text(text, encoding="utf-8")
    else:
        folder.write_yaml("config.yaml", config.dump())
    facts = {
        "status": "running",
        "label": known.get("label") or label,
        "command": known.get("command") or shlex.join(["ae-run", *overrides]),
        "seed": config.seed,
        "device": str(device),
        "device_name": devices.describe(device),
        "precision": chosen,
        "threads": threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        "data": {"name": config.data.name, **dataset.summary()},
        "versions": _versions(),
        "git_revision": _git_revision(),
    }
    if code := components.digests(config.dump()):
        facts["code"] = code
    say_of_code(folder, config)
    folder.write_json("run.json", known | facts)
    where = f"{facts['device_name']}, {chosen}"
    model_line = f"{facts['label']}: {facts['parameters']:,} parameters on {where}"
    folder.say(f"{model_line}\n{_data_line(dataset)}")
    return run


def say_of_code(folder: RunFolder, config: Config) -> None:
    """Say which of the user's own code has changed since the run was started."""
    known = folder.read_json("run.json").get("code", {}) if folder.has("run.json") else {}
    for name, digest in components.digests(config.dump()).items():
        if known.get(name, digest) != digest:
            folder.say(f"code={name} has changed since the run was started")


def _data_line(dataset: Dataset) -> str:
    facts = dataset.summary()
    skipped = f"{len(dataset.skipped)} skipped{' (see log.txt)' if dataset.skipped else ''}"
    line = (
        f"data: {facts['images']} images, {skipped}, "
        f"split {facts['train']} / {facts['validation']} / {facts['test']}"
    )
    twins = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in dataset.twins.items())
    return f"{line}; exact duplicates: {twins}" if any(dataset.twins.values()) else line


def training_facts(run: Run) -> dict[str, Any]:
    """The facts of a finished training for `run.json`."""
    progress, _ = checkpoints.load_resume(run.folder)
    seconds = [row["train_seconds"] for row in progress.history]
    # The first epoch warms up allocators and caches.
    steady = seconds[1:] or seconds
    last = run.model.stages()[-1]
    epochs = 1 if last.solve is not None else last.epochs or known_epochs(run.config.train)
    return {
        "epochs_done": progress.epoch,
        "best_epoch": progress.best_epoch,
        "stopped_early": why_early(run.config.train, progress, epochs),
        "monitor": f"validation_{run.monitor}" if len(run.dataset.validation) else None,
        "train_images_per_second": round(len(steady) * len(run.dataset.train) / sum(steady), 1),
    }


def check_fingerprint(folder: RunFolder, dataset: Dataset) -> None:
    """Refuse data other than the run was started with.

    Raises:
        UserError: the run has no trained model, or was trained on other images or splits.
    """
    known = folder.read_json("run.json").get("data")
    if known is None:
        raise UserError(f"{folder.path}: contains no trained model")
    if known["fingerprint"] != dataset.fingerprint:
        key = "path" if "path" in (folder.read_config().get("data") or {}) else "root"
        raise UserError(
            f"{folder.path}: data.name={known.get('name')} gives other images or splits than the "
            f"run was trained on (fingerprint {dataset.fingerprint[:9]}, not "
            f"{known['fingerprint'][:9]}); set data.{key} to its data"
        )


def _check_monitor(run: Run) -> None:
    """Refuse a `train.monitor` that is none of the model's scores."""
    known = sorted(run.model.score_names())
    if run.monitor not in known:
        raise UserError(
            f"train.monitor={run.monitor}: model {run.config.model.name} has no such score; "
            f"choices: {', '.join(known)}"
        )


def _versions() -> dict[str, str]:
    packages = ("ae-run", "torch", "numpy", "scikit-learn", "hydra-core")
    return {name: version(name) for name in packages} | {"python": platform.python_version()}


def _git_revision() -> str | None:
    """The checkout's commit, with `+changes` if it has uncommitted ones; None without git."""
    here = Path(__file__).parents[3]
    if not (here / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+changes"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
