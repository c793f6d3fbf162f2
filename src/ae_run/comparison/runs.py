"""Find run folders below paths and globs, and read each as far as it can be read."""

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ae_run import processes
from ae_run.errors import FolderInUse, UserError
from ae_run.run_folder import REPLICAS, RunFolder

EVERYWHERE = ("outputs/**",)
"""Where runs are unless the command says otherwise."""
_MARKS = {"config.yaml", "run.json"}
"""A folder that holds one of them is a run's."""
_INNER = ("trials", "replicas")
"""Folders of a search's trials, which have no scores on test, and of a run's other seeds; left out
unless they are named.
"""
_UNNAMED = re.compile(r"(\d{8}-\d{6}-[0-9a-f]{6}|\d+)$")
"""A folder's name that is but a time, or the number of a job or trial."""
_PARTS = ("data", "model", "train", "corruption")


@dataclass(frozen=True)
class FoundRun:
    """A run folder and what could be read of it."""

    folder: RunFolder
    status: str
    """finished, running, interrupted, failed, pruned or broken."""
    reason: str = ""
    """Why it has not finished, or cannot be read."""
    config: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    replicas: dict[str, Any] | None = None

    @property
    def is_scored(self) -> bool:
        """Whether it finished and has scores on test, so that it can be compared."""
        return self.status == "finished" and not self.reason

    @property
    def label(self) -> str:
        """`<data>-<model>`."""
        return str(self.run.get("label") or f"{self.value('data.name')}-{self.value('model.name')}")

    @property
    def name(self) -> str:
        """The user's name for it, or that of its folder, after what it is if that does not tell."""
        folder = self.folder.path.name
        if given := self.config.get("name"):
            return str(given)
        return f"{self.label} {folder}" if self.config and _UNNAMED.match(folder) else folder

    @property
    def tags(self) -> list[str]:
        """The user's tags."""
        return [str(tag) for tag in self.config.get("tags") or ()]

    @property
    def fingerprint(self) -> str:
        """Of its images and their split; empty for a run of unknown data."""
        found = self.run.get("data")
        return str(found.get("fingerprint", "")) if isinstance(found, Mapping) else ""

    @property
    def seeds(self) -> list[int]:
        """Those that it was trained with."""
        return list(self.replicas["seeds"]) if self.replicas else [int(self.run.get("seed", 0))]

    def per_seed(self, key: str, own: Any) -> list[float]:
        """A score of each seed by its key in `replicas.json`; else the run's own, if it has one."""
        seeds = self.replicas["scores"].get(key) if self.replicas else None
        values = seeds["values"] if seeds else [] if own is None else [own]
        return [float(value) for value in values]

    def value(self, key: str) -> Any:
        """The value at a dotted key of its config, or None."""
        found: Any = self.config
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found

    def started(self) -> float:
        """When it was started, in seconds since 1970."""
        path = self.folder.file("overrides.txt")
        return (path if path.is_file() else self.folder.path).stat().st_mtime


def find(patterns: Sequence[str] | None) -> list[FoundRun]:
    """The runs at and below folders and globs, each once, sorted by when they were started.

    Raises:
        UserError: a folder does not exist, or nothing holds a run.
    """
    given = patterns or EVERYWHERE
    paths = {path.resolve(): path for pattern in given for path in _folders(pattern)}
    if not paths:
        raise UserError(f"runs={','.join(given)}: no run folder there (none has a config.yaml)")
    return sorted(map(read, paths.values()), key=FoundRun.started)


def _folders(pattern: str) -> Iterator[Path]:
    expanded = str(processes.expanded(pattern))
    base = expanded.removesuffix("**").rstrip("/\\") or "." if expanded.endswith("**") else expanded
    if glob.has_magic(base) and not Path(base).exists():
        root = Path(base).anchor or "."
        for match in sorted(Path(root).glob(str(Path(base).relative_to(root)))):
            yield from _below(match)
    elif Path(base).is_dir():
        yield from _below(Path(base))
    elif pattern not in EVERYWHERE:
        raise UserError(f"runs={pattern}: no such folder")


def _below(path: Path) -> Iterator[Path]:
    """The run folders at a path or below it; what is inside of a run is a part of that run."""
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError:  # a file, or not to be opened
        return
    if any(entry.name in _MARKS for entry in entries):
        yield path
        return
    for entry in entries:
        inner = entry.name in _INNER or entry.name.startswith(".")
        if entry.is_dir(follow_symlinks=False) and not inner:
            yield from _below(path / entry.name)


def read(path: Path) -> FoundRun:
    """A run folder; what is wrong with it is told in `reason`, and raises nothing."""
    folder = RunFolder(path, quiet=True)
    try:
        return _read(folder)
    except (UserError, OSError) as error:
        return FoundRun(folder, "broken", " ".join(str(error).split()))


def _read(folder: RunFolder) -> FoundRun:
    config, run = folder.read_config(), folder.read_json("run.json")
    for part in _PARTS:
        if not isinstance(config.get(part), Mapping):
            raise UserError(f"{folder.file('config.yaml')}: {part} is missing")
    metrics = folder.read_json("metrics.json") if folder.has("metrics.json") else {}
    replicas = folder.read_json(REPLICAS) if folder.has(REPLICAS) else None
    status, reason = _status(folder, run, config)
    if status == "finished" and not isinstance(metrics.get("mse"), int | float):
        reason = "no scores on test"
    return FoundRun(folder, status, reason, config, run, metrics, replicas)


def _status(
    folder: RunFolder, run: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[str, str]:
    status = str(run.get("status", "interrupted"))
    if status == "finished":
        return status, ""
    total = config["train"].get("epochs")
    epochs = f"after {folder.epochs_saved()} of {total or '?'} epochs"
    if status == "running":
        if is_locked(folder):
            return status, epochs
        status, epochs = "interrupted", f"killed {epochs}"
    error = " ".join(str(run.get("error") or "").split())
    return status, f"{epochs}: {error}" if error else epochs


def is_locked(folder: RunFolder) -> bool:
    """Whether a process is working in the folder."""
    if not folder.file(".lock").exists():
        return False
    try:
        with folder.lock():
            return False
    except FolderInUse:
        return True
    except UserError:  # not writable, so that nothing can be at work here
        return False
