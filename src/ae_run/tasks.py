"""The tasks. `train` runs all stages; the others repeat theirs from the run folder.

A stage reads what the one before it wrote, so whatever follows a repeated stage is repeated
too: `evaluate` draws the figures again, and `figures` writes the page again. `figures` and
`report` import no torch.
"""

import platform
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_run import data
from ae_run.config import PLAIN_TASK, Config
from ae_run.data import Dataset
from ae_run.dispatch import Job
from ae_run.errors import Interrupted, RunFailed, UserError
from ae_run.run_folder import RunFolder

if TYPE_CHECKING:
    import torch

    from ae_run.models import Autoencoder
    from ae_run.training import Fit


def train(job: Job) -> None:
    """Train or go on training, then evaluate, draw and report."""
    from ae_run.training import fit

    config, phases = job.config, Phases()
    with phases("data"):
        dataset = data.load(config.data)
    run, folder = _prepare(job, dataset)
    with folder.lock(), _recorded(folder, phases):
        for name in dataset.skipped:
            folder.log(f"skipped, not readable: {name}")
        epochs = 0
        with phases("train"):
            for _ in fit(run):
                epochs += 1
        if epochs:
            folder.update_json("run.json", **_training_facts(run))
        if epochs or not (folder.has("metrics.json") and folder.has("artifacts.npz")):
            _evaluate(config, run.model, dataset, folder, run.device, phases)
        if epochs or not folder.has("report.html"):
            _draw(config, folder, phases)
    _say_result(folder)


def evaluate(job: Job) -> None:
    """Score a run again from its folder, then draw and report."""
    import torch

    from ae_run import devices, models
    from ae_run.training import checkpoints

    config, folder, phases = job.config, _folder(job), Phases()
    device = devices.resolve(config.device)
    with phases("data"):
        dataset = data.load(config.data)
    _check_fingerprint(folder, dataset)
    if (threads := folder.read_json("run.json").get("threads")) is not None:
        torch.set_num_threads(threads)
    model = models.build(config.model, dataset.image_shape)
    checkpoints.load_weights(folder, model)
    with folder.lock(), _recorded(folder, phases):
        folder.write_yaml("config.yaml", config.dump())
        _evaluate(config, model, dataset, folder, device, phases)
        _draw(config, folder, phases)
    _say_result(folder)


def figures(job: Job) -> None:
    """Draw a run's figures again, and its page."""
    folder, phases = _folder(job), Phases()
    with folder.lock(), _recorded(folder, phases):
        folder.write_yaml("config.yaml", job.raw | PLAIN_TASK)
        _draw(job.config, folder, phases)
    print(f"figures: {folder.file('figures')}")


def report(job: Job) -> None:
    """Write a run's page again."""
    from ae_run import report as pages

    folder = _folder(job)
    with folder.lock():
        print(f"page: {pages.write(folder)}")


class Phases:
    """Seconds per phase of a task."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - started, 3)


def _prepare(job: Job, dataset: Dataset) -> tuple["Fit", RunFolder]:
    """Build the model, check what can be checked, then create the run folder or open it."""
    import torch

    from ae_run import devices, models
    from ae_run.randomness import derive_seed
    from ae_run.training import Fit, check_monitor, precision

    config, folder = job.config, job.folder
    device = devices.resolve(config.device)
    known: dict[str, Any] = {}
    if folder is not None and folder.has("run.json"):
        known = folder.read_json("run.json")
        _check_fingerprint(folder, dataset)
    threads = known.get("threads") or config.train.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.manual_seed(derive_seed(config.seed, "init"))
    model = models.build(config.model, dataset.image_shape)
    chosen = known.get("precision") or precision.choose(config.train.precision, model, device)
    run = Fit(config, model, dataset, folder or RunFolder(Path()), device, chosen)
    if len(dataset.validation):
        check_monitor(run)
    if folder is None:
        run.folder = folder = RunFolder.create(config.run_dir, job.label)
        folder.write_yaml("config.yaml", config.dump())
        text = "".join(f"{override}\n" for override in job.overrides)
        folder.file("overrides.txt").write_text(text, encoding="utf-8")
    else:
        folder.write_yaml("config.yaml", config.dump())
    facts = {
        "status": "running",
        "label": job.label,
        "command": known.get("command") or shlex.join(["ae-run", *job.overrides]),
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
    folder.write_json("run.json", known | facts)
    where = f"{facts['device_name']}, {chosen}"
    folder.say(f"{job.label}: {facts['parameters']:,} parameters on {where}")
    folder.say(_data_line(dataset))
    return run, folder


def _data_line(dataset: Dataset) -> str:
    facts = dataset.summary()
    line = (
        f"data: {facts['images']} images, {len(dataset.skipped)} skipped, "
        f"split {facts['train']} / {facts['validation']} / {facts['test']}"
    )
    twins = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in dataset.twins.items())
    return f"{line}; exact twins: {twins}" if any(dataset.twins.values()) else line


@contextmanager
def _recorded(folder: RunFolder, phases: Phases) -> Iterator[None]:
    """Keep `run.json` true however the task ends, and explain the ending."""
    resume = f"go on with: ae-run resume={shlex.quote(str(folder.path))}"
    before = folder.read_json("run.json")
    started = time.perf_counter()

    def record(status: str, error: str | None = None) -> None:
        wall = round(before.get("wall_seconds", 0) + time.perf_counter() - started, 3)
        seconds = before.get("phases", {}) | phases.seconds
        folder.update_json(
            "run.json", status=status, error=error, wall_seconds=wall, phases=seconds
        )

    try:
        yield
    except Interrupted as stop:
        record("interrupted")
        stop.args = (f"{stop}; {_finished_epochs(folder)}; {resume}",)
        raise
    except KeyboardInterrupt:
        record("interrupted")
        raise Interrupted(f"stopped; {resume}") from None
    except OSError as error:
        what = f"{error.filename or folder.path}: {error.strerror or error}"
        raise RunFailed(f"{what}; {_finished_epochs(folder)}; {resume}") from None
    except Exception as error:
        record("failed", error=str(error))
        if "out of memory" in str(error).lower():
            hint = "; try a smaller train.batch_size or evaluate.batch_size"
            raise RunFailed(f"{error}{hint}".replace("\n", " ")) from None
        raise
    record("finished")


def _finished_epochs(folder: RunFolder) -> str:
    count = len(folder.read_csv("history.csv"))
    return f"{count} finished epoch{'' if count == 1 else 's'} saved"


def _training_facts(run: "Fit") -> dict[str, Any]:
    """What `run.json` tells of a finished training."""
    from ae_run.training import checkpoints

    progress, _ = checkpoints.load_resume(run.folder)
    seconds = [row["train_seconds"] for row in progress.history]
    # The first epoch warms up allocators and caches.
    steady = seconds[1:] or seconds
    return {
        "epochs_done": progress.epoch,
        "best_epoch": progress.best_epoch,
        "monitor": f"validation_{run.monitor}" if len(run.dataset.validation) else None,
        "train_images_per_second": round(len(steady) * len(run.dataset.train) / sum(steady), 1),
    }


def _evaluate(
    config: Config,
    model: "Autoencoder",
    dataset: Dataset,
    folder: RunFolder,
    device: "torch.device",
    phases: Phases,
) -> None:
    from ae_run import evaluation
    from ae_run.training import checkpoints

    with phases("evaluate"):
        checkpoints.load_weights(folder, model)
        evaluation.evaluate(config, model, dataset, folder, device)


def _draw(config: Config, folder: RunFolder, phases: Phases) -> None:
    from ae_run import figures as drawing
    from ae_run import report as pages

    with phases("figures"):
        drawing.draw(folder, config.figures)
    # The page tells the phases' times, but for its own.
    old = folder.read_json("run.json").get("phases", {})
    folder.update_json("run.json", phases=old | phases.seconds, status="finished")
    with phases("report"):
        pages.write(folder)


def _folder(job: Job) -> RunFolder:
    assert job.folder is not None  # dispatch refuses these tasks without one
    return job.folder


def _check_fingerprint(folder: RunFolder, dataset: Dataset) -> None:
    """Refuse to go on with other data than the run began with."""
    known = folder.read_json("run.json")["data"]
    if known["fingerprint"] != dataset.fingerprint:
        raise UserError(
            f"{folder.path}: data.name={known['name']} gives other images or splits than this run "
            f"began with (fingerprint {dataset.fingerprint[:9]}, not {known['fingerprint'][:9]}); "
            "give data.root=DIR of the data it was trained on"
        )


def _versions() -> dict[str, str]:
    packages = ("ae-run", "torch", "numpy", "scikit-learn", "hydra-core")
    return {name: version(name) for name in packages} | {"python": platform.python_version()}


def _git_revision() -> str | None:
    """The checkout's commit, with `+changes` where it has uncommitted ones; None elsewhere."""
    here = Path(__file__).parents[2]
    if not (here / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--dirty=+changes"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _say_result(folder: RunFolder) -> None:
    """The scores beside their baselines, and what to open."""
    metrics = folder.read_json("metrics.json")
    pca, mean = metrics["baseline"]["pca"], metrics["baseline"]["mean"]
    lines = [
        "",
        f"{'test':<12}{'this run':>12}{'PCA-' + str(pca['components']):>12}{'mean image':>12}",
        f"{'mse':<12}{metrics['mse']:>12.5f}{pca['mse']:>12.5f}{mean['mse']:>12.5f}",
    ]
    for name, label in (("psnr_db", "PSNR"), ("snr_db", "SNR"), ("ssim", "SSIM")):
        value = metrics[name]
        unit = " dB" if name.endswith("_db") else ""
        lines.append(f"{label:<12}{'-' if value is None else f'{value:.3g}{unit}':>12}")
    lines += ["", f"figures  {folder.file('figures')}", f"page     {folder.file('report.html')}"]
    lines += [f"folder   {folder.path}"]
    folder.say("\n".join(lines))
