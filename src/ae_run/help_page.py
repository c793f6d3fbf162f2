"""`ae-run --help`: the tasks, one line per option of each group, and examples."""

from collections.abc import Sequence
from pathlib import Path

from ae_run import components, console
from ae_run.key_help import table
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
  -h, --help WORD   explain a group, an option or a key: --help train, model=vae, train.lr
  -q, --quiet       show errors only; log.txt in the run folder has the rest
  -v, --verbose     show what otherwise goes to log.txt only, such as every epoch
  -y, --yes         do not ask before deleting (task=clean)
  --cfg job         print the config and stop
  -m, --multirun    run every combination of comma-separated values
  --config-dir DIR  a folder of your own YAML files, laid out like conf/
  -sc install=bash  print tab completion for bash, zsh or fish; how to use it is its first line
  --version         print the version
  --hydra-help      Hydra's own flags
"""


def text(version: str, extra: Sequence[Path] = ()) -> str:
    """The help page; `extra` are the user's own config folders."""
    parts = [_USAGE.format(version=version)]
    parts.append(
        f"{console.styled('Tasks', 'bold')} (task=…)\n"
        + table({name: task.help for name, task in TASKS.items()})
    )
    for group in components.groups(extra):
        found = components.options(group, extra)
        title = console.styled(group.capitalize(), "bold")
        parts.append(f"{title} ({group}=…)\n" + table(found))
    parts.append(console.styled("Flags", "bold") + "\n" + _FLAGS)
    width = max(map(len, EXAMPLES))
    parts.append(
        console.styled("Examples", "bold")
        + "\n"
        + "".join(f"  {c:<{width}}  # {why}\n" for c, why in EXAMPLES.items())
    )
    parts.append("Every key, with its value: ae-run --cfg job --resolve\n")
    return "\n".join(parts).rstrip()
