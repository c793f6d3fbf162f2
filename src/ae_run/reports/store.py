"""Where the reports' runs lie, and which of them are there.

A run's folder is `runs/<digest>/` below the root, `outputs/reports`. Once it has finished, only
what figures and tables are made of is kept, so that all runs of all reports are a few megabytes.
"""

import shutil
from pathlib import Path

from ae_run.figures._run_data import RunData, load
from ae_run.run_folder import RunFolder

KEPT = ("config.yaml", "run.json", "metrics.json", "history.csv", "artifacts.npz")
# What no figure of a report shows: the images behind the points of a scatter plot.
_DROPPED = ("codes_thumbnails",)


class Store:
    """The runs below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: dict[str, RunData] = {}

    def path(self, digest: str) -> Path:
        """A run's folder, be it there or not."""
        return self.root / "runs" / digest

    def has(self, digest: str) -> bool:
        """Whether that run has finished."""
        return digest in self._read or is_finished(self.path(digest))

    def read(self, digest: str) -> RunData:
        """A finished run's files."""
        if digest not in self._read:
            self._read[digest] = load(RunFolder(self.path(digest)))
        return self._read[digest]

    def forget(self, digest: str) -> None:
        """Delete a run, to repeat it."""
        self._read.pop(digest, None)
        shutil.rmtree(self.path(digest), ignore_errors=True)


def is_finished(path: Path) -> bool:
    """Whether the run in that folder went through to its end."""
    folder = RunFolder(path)
    if not (folder.has("run.json") and folder.has("metrics.json") and folder.has("artifacts.npz")):
        return False
    return bool(folder.read_json("run.json").get("status") == "finished")


def trim(folder: RunFolder) -> None:
    """Keep of a finished run what figures and tables need."""
    arrays = folder.read_arrays("artifacts.npz")
    if any(name in arrays for name in _DROPPED):
        kept = {name: array for name, array in arrays.items() if name not in _DROPPED}
        folder.write_arrays("artifacts.npz", kept)
    for path in folder.path.iterdir():
        if path.name not in KEPT and path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
