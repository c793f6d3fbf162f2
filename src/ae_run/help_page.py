"""`ae-run --help`: the tasks, one line per option of each group, and examples."""

from collections.abc import Sequence
from pathlib import Path

from ae_run import components
from ae_run.task_table import TASKS

EXAMPLES = {
    "ae-run": "train on built-in data; needs no network",
    "ae-run data=mnist model.latent_dim=10 train.epochs=10": "change what you like",
    "ae-run -m model.latent_dim=2,4,8 seed=0,1,2": "a sweep: nine runs",
    "ae-run task=search search=conv_ae data=mnist": "a search; rerun the same line to resume it",
}

_USAGE = """\
ae-run {version}: train, evaluate and plot autoencoders on small images.

Usage: ae-run [KEY=VALUE …] [GROUP=OPTION …] [--config-dir DIR] [-m]
"""

_FLAGS = """\
Flags
  --cfg job         print the config and stop
  -m, --multirun    run every combination of comma-separated values
  --config-dir DIR  a folder of your own YAML files, laid out like conf/
  -sc install=bash  print tab completion for bash; use it with eval "$(ae-run -sc install=bash)"
  --version         print the version
  --hydra-help      Hydra's own flags
"""


def text(version: str, extra: Sequence[Path] = ()) -> str:
    """The help page; `extra` are the user's own config folders."""
    parts = [_USAGE.format(version=version)]
    parts.append("Tasks (task=…)\n" + _table({name: task.help for name, task in TASKS.items()}))
    for group in components.groups(extra):
        found = components.options(group, extra)
        parts.append(f"{group.capitalize()} ({group}=…)\n" + _table(found))
    parts.append(_FLAGS)
    width = max(map(len, EXAMPLES))
    parts.append(
        "Examples\n" + "".join(f"  {c:<{width}}  # {why}\n" for c, why in EXAMPLES.items())
    )
    parts.append("Every key, with its value: ae-run --cfg job --resolve\n")
    return "\n".join(parts).rstrip()


def _table(rows: dict[str, str]) -> str:
    width = max(map(len, rows), default=0)
    return "".join(f"  {name:<{width}}  {line}".rstrip() + "\n" for name, line in rows.items())
