"""From a composed config to its task, still without torch.

A task that reads a run folder (`resume=…`, or `run=…` of another task) takes that run's own
config, changed by what the command line says explicitly, as far as the task allows it.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ae_run.components import PACKAGES, nearest
from ae_run.config import PLAIN_TASK, Config, validate
from ae_run.errors import UserError
from ae_run.help_page import TASKS
from ae_run.run_folder import RunFolder

# Which explicit overrides a task may apply to an existing run.
_ALLOWED = {
    "train": ("device", "data.root", "data.path", "train.epochs", "figures"),
    "evaluate": ("device", "data.root", "data.path", "evaluate", "figures"),
    "figures": ("figures",),
    "report": (),
}


_WITHOUT_TORCH = ("figures", "report")


@dataclass(frozen=True)
class Job:
    """A validated config, with what only the command line knows."""

    config: Config
    raw: dict[str, Any]
    """The same as plain containers."""
    overrides: list[str]
    label: str
    """`<data>-<model>`, as they were called on the command line."""
    folder: RunFolder | None
    """The run folder that the task reads or goes on with."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """The option of each config group."""


def run(raw: dict[str, Any], overrides: Sequence[str], choices: Mapping[str, str]) -> None:
    """Validate and run one task.

    Raises:
        UserError: what was asked for cannot be done.
        RunFailed: it was tried, and failed.
        Interrupted: it was stopped.
    """
    task = raw.get("task")
    if not isinstance(task, str) or task not in TASKS:
        guess = nearest(str(task), TASKS)
        hint = f"; did you mean '{guess}'?" if guess else ""
        raise UserError(f"task={task}: no such task{hint} Choices: {', '.join(TASKS)}")
    key = "resume" if task == "train" else "run"
    other = "run" if task == "train" else "resume"
    if raw.get(other) is not None:
        raise UserError(f"{other}={raw[other]}: does not go with task={task}; use {key}=RUN_DIR")
    folder = None
    if raw.get(key) is not None:
        folder = RunFolder.open(str(raw[key]), key)
        if task != "search":  # which reads the run, but has a config of its own
            raw = _existing(folder, raw, overrides, task, key)
    elif task not in ("train", "search"):
        raise UserError(f"task={task}: needs a run folder: run=RUN_DIR")
    config = validate(raw, _touched(overrides), task not in _WITHOUT_TORCH)
    if folder is None or task == "search":
        label = f"{choices.get('data', config.data.name)}-{choices.get('model', config.model.name)}"
    else:
        label = folder.path.parent.name
    module = importlib.import_module("ae_run.tasks")
    getattr(module, task)(Job(config, raw, list(overrides), label, folder, choices))


def _touched(overrides: Sequence[str]) -> set[str]:
    """The component groups in which the command line sets a key."""
    keys = [override.lstrip("+~").partition("=")[0] for override in overrides]
    return {key.partition(".")[0] for key in keys if "." in key} & set(PACKAGES) | (
        set(PACKAGES) if "experiment" in keys else set()
    )


def _existing(
    folder: RunFolder, raw: dict[str, Any], overrides: Sequence[str], task: str, key: str
) -> dict[str, Any]:
    """The folder's config with the allowed explicit overrides applied."""
    saved = folder.read_config()
    for override in overrides:
        path = override.lstrip("+~").partition("=")[0]
        if path in ("task", key):
            continue
        allowed = _ALLOWED[task]
        if saved["train"]["schedule"] != "constant" and path != "train.epochs":
            allowed = tuple(a for a in allowed if a != "train.epochs")
        if not any(path == a or path.startswith(f"{a}.") for a in allowed):
            may = ", ".join(allowed) or "nothing"
            raise UserError(f"{path}: cannot change for {key}={raw[key]}; may change: {may}")
        if path == "train.epochs" and saved["train"]["schedule"] != "constant":
            raise UserError(
                f"train.epochs: cannot change on resume under train.schedule="
                f"{saved['train']['schedule']}, whose learning rate depends on it; "
                "only under train.schedule=constant"
            )
        _copy(raw, saved, path.split("."))
    return saved | PLAIN_TASK | {"task": task, key: str(folder.path)}


def _copy(source: dict[str, Any], target: dict[str, Any], path: list[str]) -> None:
    """Take one value over; whole where the saved config has nothing there to put it into."""
    key = path[0]
    if key not in source:  # ~KEY
        target.pop(key, None)
    elif len(path) == 1 or not isinstance(target.get(key), dict):
        target[key] = source[key]
    else:
        _copy(source[key], target[key], path[1:])
