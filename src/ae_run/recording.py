"""A task's status, timing and error: recorded in `run.json`, explained on the terminal.

Used by the tasks, the trials of a search, and the reports.
"""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ae_run import faults
from ae_run.errors import AeRunError, Interrupted, UserError
from ae_run.pages import run as run_page
from ae_run.run_folder import RunFolder


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


@contextmanager
def recorded(folder: RunFolder, phases: Phases, training: bool = True) -> Iterator[None]:
    """Record in `run.json` and on the page how a task ends, and say how to resume it.

    Without `training`, the task only reads a run, whose recorded status stays as it was.
    """
    before = folder.read_json("run.json")
    started = time.perf_counter()

    def record(status: str, error: str | None = None) -> None:
        if not training:
            status, error = before.get("status", status), before.get("error")
            if folder.is_current("trained"):
                status, error = "finished", None
        wall = round(before.get("wall_seconds", 0) + time.perf_counter() - started, 3)
        seconds = before.get("phases", {}) | phases.seconds
        folder.update_json(
            "run.json", status=status, error=error, wall_seconds=wall, phases=seconds
        )
        if status != "finished":
            with suppress(UserError):
                run_page.write(folder)

    def cut_short(status: str, error: str | None = None) -> None:
        """Record what must not hide why the task ends."""
        # The disk may be full, and anything may have happened to the folder's files.
        with suppress(OSError, AeRunError):
            record(status, error)

    try:
        yield
    except Interrupted as stop:
        cut_short("interrupted")
        stop.args = (f"{stop}; {_left(folder)}",)
        raise
    except KeyboardInterrupt:
        cut_short("interrupted")
        raise Interrupted(f"stopped; {_left(folder)}") from None
    except Exception as error:
        fault = faults.of(error)
        cut_short("failed", error=str(fault or error))
        if fault is None:
            raise
        fault.args = (f"{fault}; {_left(folder)}",)
        raise fault from None
    record("finished")


def _left(folder: RunFolder) -> str:
    """What is saved, and what to type next; or what is wrong with the folder."""
    try:
        count = folder.epochs_saved()
        return f"{count} finished epoch{'' if count == 1 else 's'} saved; {_next(folder)}"
    except UserError as damage:
        return str(damage)


def _next(folder: RunFolder) -> str:
    """What to type next: without a finished epoch there is nothing to resume."""
    if folder.epochs_saved():
        return f"resume with: ae-run resume={shlex.quote(str(folder.path))}"
    command = shlex.split(str(folder.read_json("run.json").get("command", "ae-run")))
    # This folder exists now.
    again = [part for part in command if not part.startswith("run_dir=")]
    return f"start again with: {shlex.join(again)}"
