"""From a composed config to a `Job`, the input of a task; without torch.

A task that reads a run folder (`resume=…` or `run=…`) uses that run's saved config, with the
command line's explicit overrides applied where the task allows them.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ae_run import components
from ae_run.components import PACKAGES
from ae_run.config import PLAIN_TASK, Config, validate
from ae_run.errors import UserError
from ae_run.run_folder import RunFolder
from ae_run.task_table import Task


@dataclass(frozen=True)
class Job:
    """A validated config with facts from the command line."""

    config: Config
    overrides: list[str]
    label: str
    """`<data>-<model>`, the options' names on the command line."""
    folder: RunFolder | None
    """The run folder that the task reads or resumes."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """The chosen option of each config group."""


def job_for(
    task: Task, raw: dict[str, Any], overrides: Sequence[str], choices: Mapping[str, str]
) -> Job:
    """Validate a composed config and open the run folder that it names.

    Args:
        task: the task to run.
        raw: the composed config.
        overrides: of the command line.
        choices: the chosen option of each config group.

    Raises:
        UserError: the config is invalid, or does not fit the task or its run folder.
    """
    key, name = task.run_key, raw["task"]
    other = {"run": "resume", "resume": "run"}[key]
    if raw.get(other) is not None:
        raise UserError(f"{other}={raw[other]}: not valid with task={name}; use {key}=RUN_DIR")
    if name == "train" and raw.get(key) is None:
        _refuse_search(overrides)
    folder, label = None, None
    if raw.get(key) is not None:
        folder = RunFolder.open(str(raw[key]), key)
        if task.may_change is not None:
            raw = _existing(folder, raw, overrides, task.may_change, key)
            if task.checks_components:
                refuse_foreign(folder, raw, key)
            label = folder.path.parent.name
    elif task.needs_run:
        raise UserError(f"task={name}: needs a run folder: {key}=RUN_DIR")
    config = validate(raw, _touched(overrides), task.checks_components)
    if label is None:
        label = f"{choices.get('data', config.data.name)}-{choices.get('model', config.model.name)}"
    return Job(config, list(overrides), label, folder, choices)


def own_code_of(raw: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """The user's own code that a job may import.

    Raises:
        UserError: a file names it, not the command.
    """
    code = raw.get("code") or []
    if code and not any(_key(line) == "code" for line in overrides):
        raise UserError(f"code={code}: is taken from the command line only, not from a file")
    return [code] if isinstance(code, str) else [str(one) for one in code]


def refuse_foreign(folder: RunFolder, saved: Mapping[str, Any], key: str) -> None:
    """Refuse a run whose components are somebody's own code, unless `code=` names it.

    Raises:
        UserError: says which component, and what to add.
    """
    for group in PACKAGES:
        name = (saved.get(group) or {}).get("name")
        if not isinstance(name, str) or name in components.files(group):
            continue  # what is no name at all is refused with the other values
        known = folder.read_json("run.json").get("code") if folder.has("run.json") else None
        own = ",".join(known) if known else "FOLDER"
        raise UserError(
            f"{key}={folder.path}: its {group}, {name}, is not part of ae-run, and code is never "
            f"imported because a run folder names it; if you trust it, add code={own}"
        )


def _refuse_search(overrides: Sequence[str]) -> None:
    """Refuse options of a search where one run would be trained without a look at them."""
    for line in overrides:
        if re.match(r"search\b|worker\b", _key(line)):
            others = [other for other in overrides if _key(other) != "task"]
            meant = shlex.join(["ae-run", "task=search", *others])
            raise UserError(f"{line}: goes with task=search only; did you mean: {meant}")


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _touched(overrides: Sequence[str]) -> set[str]:
    """The component groups in which the command line sets a key."""
    keys = [_key(override) for override in overrides]
    if "experiment" in keys:
        return set(PACKAGES)
    return {key.partition(".")[0] for key in keys if "." in key} & set(PACKAGES)


def _existing(
    folder: RunFolder,
    raw: dict[str, Any],
    overrides: Sequence[str],
    may_change: tuple[str, ...],
    run_key: str,
) -> dict[str, Any]:
    """The folder's config with the explicit overrides applied."""
    saved = folder.read_config()
    schedule = (saved.get("train") or {}).get("schedule")
    for path in map(_key, overrides):
        if path in ("task", "code", run_key):
            continue
        if path == "train.epochs" and path in may_change and schedule != "constant":
            raise UserError(
                f"train.epochs: cannot change on resume under train.schedule={schedule}, whose "
                "learning rate depends on it; only under train.schedule=constant"
            )
        if not any(path == key or path.startswith(f"{key}.") for key in may_change):
            allowed = [key for key in may_change if key != "train.epochs" or schedule == "constant"]
            may = ", ".join(allowed) or "nothing"
            raise UserError(
                f"{path}: cannot change for {run_key}={raw[run_key]}; may change: {may}"
            )
        _copy(raw, saved, path.split("."))
    mine = {key: raw.get(key) for key in ("task", "code", "format", "output")}
    return saved | PLAIN_TASK | mine | {run_key: str(folder.path)}


def _copy(source: dict[str, Any], target: dict[str, Any], path: list[str]) -> None:
    """Copy one value, or its whole group if the target has no such group."""
    key = path[0]
    if key not in source:  # ~KEY
        target.pop(key, None)
    elif len(path) == 1 or not isinstance(target.get(key), dict):
        target[key] = source[key]
    else:
        _copy(source[key], target[key], path[1:])
