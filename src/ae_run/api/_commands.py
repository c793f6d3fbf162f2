"""From the arguments of a call to a task's job, as `cli` does it from a command line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ae_run import arguments, components, composition, console, process_state, spelling
from ae_run.api.run import Run
from ae_run.errors import Interrupted, UserError
from ae_run.job import Job, job_for, refuse_foreign
from ae_run.own_code import Code
from ae_run.run_folder import RunFolder
from ae_run.task_table import TASKS

_BARE = re.compile(r"[\w./-]+", re.ASCII)


def words(overrides: Sequence[str | Mapping[str, Any]]) -> list[str]:
    """Overrides as on the command line, those of mappings spelled out."""
    found: list[str] = []
    for override in overrides:
        if isinstance(override, str):
            found.append(override)
        elif isinstance(override, Mapping):
            found += [f"{key}={_spelled(str(key), value)}" for key, value in override.items()]
        else:
            raise UserError(f"{override!r}: must be text, 'KEY=VALUE', or a mapping {{KEY: VALUE}}")
    for word in found:
        if word.startswith("-") or ("=" not in word and not word.startswith("~")):
            raise UserError(f"{word}: must be KEY=VALUE; flags are for the command line only")
        if word.startswith("task="):
            raise UserError(f"{word}: the task is the function that is called; leave it out")
    return found


def _spelled(key: str, value: object) -> str:
    """A value in the grammar of overrides."""
    if isinstance(value, str | Path):
        text = str(value)
        plain = key in arguments.PATH_KEYS or _BARE.fullmatch(text)
        return text if plain else spelling.quoted(text)
    if value is None:
        return "null"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, int | float | np.integer | np.floating):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, Mapping):
        inner = (f"{name}:{_spelled('', item)}" for name, item in value.items())
        return f"{{{','.join(inner)}}}"
    if isinstance(value, Sequence | np.ndarray):
        if key == "search.space":  # whose items are not values, but KEY=int(LOW,HIGH)
            return f"[{','.join(map(str, value))}]"
        return f"[{','.join(_spelled('', item) for item in value)}]"
    raise UserError(f"{key}: a {type(value).__name__} is no value of a config")


def execute(task: str, given: Sequence[str], verbose: bool) -> tuple[Any, tuple[Code, ...]]:
    """Run a task on overrides; return what its function returns, and the own code it used."""
    with _quiet(verbose), arguments.storage_password(given) as safe, _own_code(safe) as typed:
        return TASKS[task].run(_job(task, typed)), components.in_use()


def opened(run_dir: str, given: Sequence[str]) -> Run:
    """A run, with its config changed by overrides."""
    if not given:
        folder = RunFolder.open(run_dir, "run")
        refuse_foreign(folder, folder.read_config(), "run")
        return Run(folder)
    with _own_code([f"run={run_dir}", *given]) as typed:
        job = _job("evaluate", typed)
        assert job.folder is not None
        return Run(job.folder, components.in_use(), job.config)


def _job(task: str, given: Sequence[str]) -> Job:
    typed = [*given, *([] if task == "train" else [f"task={task}"])]
    raw, choices = composition.composed(*arguments.normalize(typed, ()))
    return job_for(TASKS[task], raw, typed, choices)


@contextmanager
def _own_code(given: Sequence[str]) -> Iterator[list[str]]:
    """Use the code that overrides name; the overrides as normalized."""
    typed, code = arguments.own_code(given)
    with components.using(code):
        yield typed


@contextmanager
def _quiet(verbose: bool) -> Iterator[None]:
    """Print nothing unless `verbose`, leave the process as it was, and let Ctrl-C be Ctrl-C."""
    with process_state.kept(), console.settings(less=not verbose):
        try:
            yield
        except Interrupted as stop:
            if stop.exit_code == 130:
                raise KeyboardInterrupt(str(stop)) from None
            raise
