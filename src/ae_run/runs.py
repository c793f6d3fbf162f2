"""A run from its start to its end: what is checked, recorded in `run.json`, and said.

Used by the tasks and by the search, whose trials are runs too.
"""

import platform
import shlex
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_run import report
from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.errors import Interrupted, RunFailed, UserError
from ae_run.run_folder import RunFolder

if TYPE_CHECKING:
    from ae_run.training import Fit


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


def start(
    config: Config,
    dataset: Dataset,
    folder: RunFolder | None,
    label: str,
    overrides: Sequence[str],
) -> "Fit":
    """Build the model, check what can be checked, then create the run folder or open it.

    Args:
        config: of the run.
        dataset: what `config.data` gives.
        folder: to go on in; None creates `config.run_dir`, or a new one below `outputs/`.
        label: `<data>-<model>`, as they were called on the command line.
        overrides: the command line.

    Raises:
        UserError: the model does not fit the data, the device is not there, or the folder
            holds a run on other data.
    """
    import torch

    from ae_run import devices, models
    from ae_run.randomness import derive_seed
    from ae_run.training import Fit, check_monitor, checkpoints, precision

    device = devices.resolve(config.device)
    if device.type == "mps" and config.train.precision == "float64":
        raise UserError("train.precision=float64: not on device=mps; choices there: auto, float32")
    known: dict[str, Any] = {}
    if folder is not None and folder.has("run.json"):
        known = folder.read_json("run.json")
        check_fingerprint(folder, dataset)
    threads = (
        known.get("threads")
        or config.train.threads
        or precision.threads(len(dataset.train), config.train.epochs, device)
    )
    torch.set_num_threads(threads)
    torch.manual_seed(derive_seed(config.seed, "init"))
    model = models.build(config.model, dataset.image_shape, dataset.mean_pixel)
    if config.train.init_from is not None and not (folder and folder.has(checkpoints.RESUME)):
        checkpoints.load_weights(RunFolder.open(config.train.init_from, "train.init_from"), model)
    chosen = known.get("precision") or precision.choose(config.train.precision, model, device)
    run = Fit(config, model, dataset, folder or RunFolder(Path()), device, chosen)
    if len(dataset.validation):
        check_monitor(run)
    if folder is None:
        run.folder = folder = RunFolder.create(config.run_dir, label)
        folder.write_yaml("config.yaml", config.dump())
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
    folder.write_json("run.json", known | facts)
    where = f"{facts['device_name']}, {chosen}"
    folder.say(f"{facts['label']}: {facts['parameters']:,} parameters on {where}")
    folder.say(_data_line(dataset))
    return run


def _data_line(dataset: Dataset) -> str:
    facts = dataset.summary()
    line = (
        f"data: {facts['images']} images, {len(dataset.skipped)} skipped, "
        f"split {facts['train']} / {facts['validation']} / {facts['test']}"
    )
    twins = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in dataset.twins.items())
    return f"{line}; exact twins: {twins}" if any(dataset.twins.values()) else line


@contextmanager
def recorded(folder: RunFolder, phases: Phases, training: bool = True) -> Iterator[None]:
    """Keep `run.json` and the page true however the task ends, and explain the ending.

    Without `training`, the task only looks at a run again: how that ended stays as it was.
    """
    resume = f"go on with: ae-run resume={shlex.quote(str(folder.path))}"
    before = folder.read_json("run.json")
    started = time.perf_counter()

    def record(status: str, error: str | None = None) -> None:
        if not training:
            status, error = before.get("status", status), before.get("error")
            if trained(folder):
                status, error = "finished", None
        wall = round(before.get("wall_seconds", 0) + time.perf_counter() - started, 3)
        seconds = before.get("phases", {}) | phases.seconds
        folder.update_json(
            "run.json", status=status, error=error, wall_seconds=wall, phases=seconds
        )
        if status != "finished":
            with suppress(UserError):
                report.write(folder)

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
        with suppress(OSError):  # there may be no room for this either
            record("failed", error=what)
        raise RunFailed(f"{what}; {_finished_epochs(folder)}; {resume}") from None
    except Exception as error:
        record("failed", error=str(error))
        if "out of memory" in str(error).lower():
            hint = "; try a smaller train.batch_size or evaluate.batch_size"
            raise RunFailed(f"{error}{hint}".replace("\n", " ")) from None
        raise
    record("finished")


def epochs_saved(folder: RunFolder) -> int:
    """How many finished epochs the folder holds."""
    return len(folder.read_csv("history.csv"))


def trained(folder: RunFolder) -> bool:
    """Whether the training went through to its end, as `training_facts` noted then."""
    return folder.read_json("run.json").get("epochs_done") == epochs_saved(folder)


def note_scored(folder: RunFolder) -> None:
    """Note which weights the scores in the folder are of."""
    folder.update_json("run.json", epochs_scored=epochs_saved(folder), epochs_drawn=None)


def scored(folder: RunFolder) -> bool:
    """Whether the scores in the folder are there, and of the last training."""
    there = folder.has("metrics.json") and folder.has("artifacts.npz")
    return there and folder.read_json("run.json").get("epochs_scored") == epochs_saved(folder)


def note_drawn(folder: RunFolder) -> None:
    """Note which scores the figures and the page are of."""
    folder.update_json("run.json", epochs_drawn=epochs_saved(folder))


def drawn(folder: RunFolder) -> bool:
    """Whether figures and page are there, and of the last scores."""
    known = folder.read_json("run.json").get("epochs_drawn")
    return folder.has("report.html") and known == epochs_saved(folder)


def _finished_epochs(folder: RunFolder) -> str:
    count = epochs_saved(folder)
    return f"{count} finished epoch{'' if count == 1 else 's'} saved"


def training_facts(run: "Fit") -> dict[str, Any]:
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


def check_fingerprint(folder: RunFolder, dataset: Dataset) -> None:
    """Refuse to go on with other data than the run began with."""
    known = folder.read_json("run.json").get("data")
    if known is None:
        raise UserError(f"{folder.path}: holds no trained model of its own")
    if known["fingerprint"] != dataset.fingerprint:
        key = "path" if "path" in folder.read_yaml("config.yaml")["data"] else "root"
        raise UserError(
            f"{folder.path}: data.name={known['name']} gives other images or splits than this run "
            f"began with (fingerprint {dataset.fingerprint[:9]}, not {known['fingerprint'][:9]}); "
            f"give data.{key} of the data it was trained on"
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
