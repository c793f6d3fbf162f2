"""`task=clean`: delete runs that came to nothing, and what finished runs need no more.

Nothing is deleted without an answer, nor where a process is at work, nor outside of the runs given.
"""

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from ae_run import console
from ae_run.comparison import listing, runs
from ae_run.comparison.runs import FoundRun
from ae_run.drawing import words
from ae_run.errors import FolderInUse, UserError
from ae_run.job import Job
from ae_run.run_folder import RESUME

_LOCK = ".lock"


@dataclass(frozen=True)
class Useless:
    """What can be deleted of a run."""

    run: FoundRun
    paths: tuple[Path, ...]
    """The whole folder, or files in it."""
    why: str

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(listing.size_of, self.paths))


def clean(job: Job) -> None:
    """Show what can be deleted, ask, and delete it.

    Raises:
        UserError: there is no run, or nobody can be asked.
    """
    found = runs.find(job.config.runs)
    useless = [one for one in map(_useless, found) if one is not None]
    for one in useless:
        for path in one.paths:
            print(f"{words.file_size(listing.size_of(path)):>9}  {path}  ({one.why})")
    for text in _kept(found):
        print(text)
    if not useless:
        print("nothing to delete")
        return
    total = words.file_size(sum(one.size for one in useless))
    runs_gone = sum(one.paths == (one.run.folder.path,) for one in useless)
    files = len(useless) - runs_gone
    what = " and ".join(
        f"{count} {name}{'s' * (count > 1 and name == 'run')}"
        for count, name in ((runs_gone, "run"), (files, f"{RESUME} of finished runs"))
        if count
    )
    answer = console.confirm(f"delete {what}, {total}?")
    if answer is None:
        command = shlex.join(["ae-run", *job.overrides, "--yes"])
        raise UserError(f"nothing deleted: there is no terminal to ask on; to delete: {command}")
    if not answer:
        print("nothing deleted")
        return
    freed = sum(map(_delete, useless))
    print(f"deleted: {words.file_size(freed)}")


def _useless(run: FoundRun) -> Useless | None:
    """What can be deleted of a run: all where no epoch is finished."""
    folder = run.folder
    if run.status == "finished" and not run.reason:
        paths = tuple(sorted([*_resumes(folder.path)]))
        return Useless(run, paths, "finished; only for more epochs") if paths else None
    stopped = run.status in ("failed", "interrupted") and not run.metrics
    began = folder.has(RESUME) or folder.epochs_saved()
    if stopped and not began and not runs.is_locked(folder):
        return Useless(run, (folder.path,), f"{run.status} {run.reason}")
    return None


def _resumes(path: Path) -> list[Path]:
    """Those of a run and of its other seeds."""
    found = [path / RESUME, *path.glob(f"replicas/*/{RESUME}")]
    return [file for file in found if file.is_file() and not file.is_symlink()]


def _kept(found: list[FoundRun]) -> list[str]:
    """What is left although it has not finished, and why."""
    lines = []
    for run in found:
        if run.status in ("failed", "interrupted") and run.folder.has(RESUME):
            command = shlex.join(["ae-run", f"resume={run.folder.path}"])
            lines.append(f"kept: {run.status}, can be resumed: {command}")
        elif run.status == "running":
            lines.append(f"kept: running: {run.folder.path}")
        elif run.status == "broken":
            lines.append(f"kept: not readable: {run.reason}")
    return lines


def _delete(useless: Useless) -> int:
    """Delete unless a process has taken up the run since; return the bytes that are free now."""
    folder, size = useless.run.folder, useless.size
    try:
        with folder.lock():
            if folder.read_json("run.json") != useless.run.run:
                raise FolderInUse(f"{folder.path}: has changed since")
            for path in useless.paths:
                _remove(path)
        if folder.path in useless.paths:
            folder.file(_LOCK).unlink(missing_ok=True)
            folder.path.rmdir()
    except (UserError, OSError) as error:
        console.say(f"kept: {error}")
        return 0
    return size


def _remove(path: Path) -> None:
    """Delete a file, or all in a folder but its lock, which is held."""
    if path.is_file():
        path.unlink()
        return
    for inner in path.iterdir():
        if inner.is_dir() and not inner.is_symlink():
            shutil.rmtree(inner)
        elif inner.name != _LOCK:
            inner.unlink()
