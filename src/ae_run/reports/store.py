"""Where the reports' runs lie, and which of them are there.

A run's folder is `runs/<digest>/` below the root, `outputs/reports`. Once it has finished, only
what figures and tables are made of is kept, so that all runs of all reports are a few megabytes.
"""

import shutil
from pathlib import Path

from ae_run.drawing.run_data import RunData, load
from ae_run.reports.plan import Planned
from ae_run.run_folder import RunFolder

WEIGHTS = "model.safetensors"
KEPT = ("config.yaml", "run.json", "metrics.json", "history.csv", "artifacts.npz")
# What no figure of a report shows: the images behind the points of a scatter plot.
_DROPPED = ("codes_thumbnails",)
_NUMBERS = ("class_names", "test_mse")


class Store:
    """The runs below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[str, RunData] = {}

    def path(self, digest: str) -> Path:
        """A run's folder, be it there or not."""
        return self.root / "runs" / digest

    def has(self, run: Planned) -> bool:
        """Whether that run has finished, with pictures where it is to have them."""
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


def is_finished(path: Path, planned: Planned | None = None) -> bool:
    """Whether the run in that folder went through to its end, and kept what it was to keep."""
    folder = RunFolder(path)
    if planned is not None and planned.weights and not folder.has(WEIGHTS):
        return False
    if not (folder.has("run.json") and folder.has("metrics.json") and folder.has("artifacts.npz")):
        return False
    run = folder.read_json("run.json")
    pictures = planned is not None and planned.pictures
    return run.get("status") == "finished" and (not pictures or run.get("pictures", True))


def trim(folder: RunFolder, pictures: bool, weights: bool) -> None:
    """Keep of a finished run what figures and tables need; a run in no figure needs no pictures."""
    arrays = folder.read_arrays("artifacts.npz")
    kept = {name: array for name, array in arrays.items()
            if (pictures or name in _NUMBERS) and name not in _DROPPED}  # fmt: skip
    if len(kept) < len(arrays):
        folder.write_arrays("artifacts.npz", kept)
    keep = {*KEPT, ".lock", *([WEIGHTS] if weights else [])}
    for path in folder.path.iterdir():
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    folder.update_json("run.json", pictures=pictures)


def empty(folder: RunFolder) -> None:
    """Take everything out of a run's folder but its lock."""
    for path in folder.path.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
