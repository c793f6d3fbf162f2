"""Component lookup by config group and name: a component is a file, named as in the config.

`data: {name: mnist}` means `data/mnist.py`. A component's module defines `Config`, its typed
options, and whatever its package's contract requires. Files that start with an underscore are
not components.
"""

import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType

from ae_run.errors import UserError
from ae_run.messages import unknown

PACKAGES = {"data": "data", "corruption": "corruptions", "model": "models"}
_REPORTS = "reports"
"""A folder of `conf/` that is not a config group; it holds the specs of the student reports."""
ALIASES = {("corruption", "noise"): "gaussian"}


def files(group: str) -> list[str]:
    """The names of a group's component files, sorted."""
    folder = Path(__file__).parent / PACKAGES[group]
    names = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return sorted(name for name in names if not name.startswith("_"))


def module(group: str, name: str) -> ModuleType:
    """The module of the component with this name.

    Raises:
        UserError: no such component.
    """
    if name not in files(group):
        raise UserError(unknown(f"{group}.name={name}", name, files(group)))
    return importlib.import_module(f"ae_run.{PACKAGES[group]}.{name}")


@cache
def conf_dir() -> Path:
    """The folder of YAML files: the copy inside the package, else the checkout's."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


def groups(extra: Iterable[Path] = ()) -> list[str]:
    """The names of the config groups: folders of `conf/` and of the `extra` config folders."""
    folders = [path for root in (conf_dir(), *extra) for path in root.iterdir() if path.is_dir()]
    names = {path.name for path in folders if any(path.glob("*.yaml"))}
    return sorted(names - {_REPORTS})


def options(group: str, extra: Iterable[Path] = ()) -> dict[str, str]:
    """The options of a config group with their one-line descriptions, sorted by name.

    The description is the first comment line of the YAML file. `extra` folders, from
    `--config-dir`, take precedence over the built-in ones.
    """
    found: dict[str, str] = {}
    for root in (*extra, conf_dir()):
        for path in sorted((root / group).glob("*.yaml")):
            found.setdefault(path.stem, _description(path))
    return dict(sorted(found.items()))


def option_file(group: str, option: str, extra: Iterable[Path] = ()) -> Path:
    """The YAML file of an option that exists."""
    paths = (root / group / f"{option}.yaml" for root in (*extra, conf_dir()))
    return next(path for path in paths if path.is_file())


def _description(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = (line for line in lines if line.startswith("#") and "@package" not in line)
    return next(comments, "").lstrip("# ").rstrip()
