"""The folders of the reports' runs, and what is kept of the finished ones.

A run's folder is `runs/<digest>/` below the root, `outputs/reports`. Once it has finished, only
what figures and tables are made of is kept, so that all runs of all reports are a few megabytes.
"""

import re
import shutil
from pathlib import Path

from ae_run.atomic import write_bytes
from ae_run.drawing.run_data import RunData, load
from ae_run.reports import metrics, plan
from ae_run.reports.plan import Planned
from ae_run.run_folder import WEIGHTS, RunFolder

KEPT = ("config.yaml", "run.json", "metrics.json", "history.csv", "artifacts.npz")
# What no figure of a report shows: what a page needs to explore codes, and scores per image, which
# are kept for the metrics of rows only.
_DROPPED = re.compile(
    r"codes_thumbnails|explorer_.*|test_mse|examples_.*|scores_.*|denoising_.*|robustness_.*_mse"
)


class Store:
    """The runs below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[str, RunData] = {}

    def path(self, digest: str) -> Path:
        """A run's folder, be it there or not."""
        return plan.path(digest, self.root)

    def has(self, run: Planned) -> bool:
        """Whether that run has finished, and kept what it is to keep."""
        return is_finished(self.path(run.digest), run)

    def read(self, digest: str) -> RunData:
        """A finished run's files."""
        if digest not in self._read:
            self._read[digest] = load(RunFolder(self.path(digest)))
        return self._read[digest]

    def forget(self, digest: str) -> None:
        """Delete a run, to repeat it."""
        self._read.pop(digest, None)
        shutil.rmtree(self.path(digest), ignore_errors=True)

    def drop_weights(self, digest: str) -> None:
        """Delete a finished run's weights, when nothing needs them any more."""
        (self.path(digest) / WEIGHTS).unlink(missing_ok=True)


def is_finished(path: Path, planned: Planned | None = None) -> bool:
    """Whether the run in that folder went through to its end, and kept what it was to keep."""
    folder = RunFolder(path)
    if not all(folder.has(name) for name in ("run.json", "metrics.json", "artifacts.npz")):
        return False
    wanted = set() if planned is None else set(planned.keeps)
    if plan.WEIGHTS in wanted and not folder.has(WEIGHTS):
        return False
    run = folder.read_json("run.json")
    return run.get("status") == "finished" and wanted <= {plan.WEIGHTS, *run.get("kept", wanted)}


def trained(planned: Planned, folder: RunFolder) -> Path:
    """Where the weights of a run at full budget are kept, for another evaluation of them."""
    return folder.path.parents[1] / "trained" / planned.training


def copy_training(source: RunFolder, target: RunFolder) -> None:
    """Copy what a training leaves, its weights last; what the target has already stays."""
    target.path.mkdir(parents=True, exist_ok=True)
    for name in ("config.yaml", "run.json", "history.csv", WEIGHTS):
        if not target.has(name):
            write_bytes(target.file(name), source.file(name).read_bytes())


def trim(folder: RunFolder, keeps: frozenset[str]) -> None:
    """Keep of a finished run what figures, tables and other runs need; see `Planned.keeps`."""
    run = load(folder)
    kept = {"class_names": run.arrays["class_names"]}
    if plan.PICTURES in keeps:
        kept |= {k: array for k, array in run.arrays.items() if not _DROPPED.fullmatch(k)}
    if plan.EXAMPLES in keeps:
        kept |= {k: array for k, array in run.arrays.items() if k.startswith("examples_")}
    for metric in sorted(keeps):
        scores = metrics.per_image(run, metric)
        if scores is not None and scores.ndim == 1:
            kept[metrics.PER_IMAGE + metric] = scores
    folder.write_arrays("artifacts.npz", kept)
    keep = {*KEPT, ".lock", *([WEIGHTS] if plan.WEIGHTS in keeps else [])}
    for path in folder.path.iterdir():
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    folder.update_json("run.json", kept=sorted(keeps))


def empty(folder: RunFolder) -> None:
    """Take everything out of a run's folder but its lock."""
    for path in folder.path.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
