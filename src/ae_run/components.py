"""Component lookup by config group and name: a component is a file, named as in the config.

`data: {name: mnist}` means `data/mnist.py`. A component's module defines `Config`, its typed
options, and whatever its package's contract requires. Files that start with an underscore are
not components. Within `using`, a user's own code adds to them.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ae_run import own_code
from ae_run.errors import UserError
from ae_run.messages import unknown
from ae_run.own_code import Code

PACKAGES, FOLDERS = own_code.PACKAGES, own_code.FOLDERS
_REPORTS = "reports"
"""A folder of `conf/` that is not a config group; it holds the specs of the student reports."""
ALIASES = {("corruption", "noise"): "gaussian"}
_own: tuple[Code, ...] = ()


@contextmanager
def using(given: Sequence[str]) -> Iterator[tuple[Code, ...]]:
    """Add a user's own components, which `code=` names, until the block ends.

    Raises:
        UserError: no such code, or it has a name that is taken.
    """
    global _own
    before = _own
    try:
        for name in given:
            code = own_code.find(name)
            if all(code.given != other.given for other in _own):
                _refuse_clashes(code)
                _own = (*_own, code)
        yield _own
    finally:
        _own = before


def in_use() -> tuple[Code, ...]:
    """The user's own code of this block."""
    return _own


def _refuse_clashes(code: Code) -> None:
    for group in FOLDERS:
        for name in {*code.components(group)} & {*files(group)}:
            path = code.folder / FOLDERS[group] / f"{name}.py"
            raise UserError(f"{path}: there is a {group} {name} already; give it another name")
    for path in sorted(code.conf.glob("*/*.yaml")):
        if path.stem in options(path.parent.name):
            taken = f"{path.parent.name}={path.stem}"
            raise UserError(f"{path}: there is {taken} already; give it another name")


def digests(config: Mapping[str, Any]) -> dict[str, str]:
    """Name and digest of the own code that a config's components come from."""
    names = {(group, name) for group in PACKAGES for name in _names(config.get(group))}
    used = (c for c in _own if any(name in c.components(group) for group, name in names))
    return {code.name: code.digest for code in used}


def _names(options: object) -> Iterator[str]:
    """The components of a group: one, or with a chain of corruptions several."""
    if isinstance(options, Mapping):
        if isinstance(name := options.get("name"), str):
            yield name
        for inner in options.values():
            yield from _names(inner)


def search_path() -> list[str]:
    """The override that has Hydra find the YAML files of the user's own code."""
    folders = [f"'file://{code.conf}'" for code in _own if code.conf.is_dir()]
    return [f"hydra.searchpath=[{','.join(folders)}]"] if folders else []


def files(group: str) -> list[str]:
    """The names of a group's component files, sorted."""
    own = (name for code in _own for name in code.components(group))
    return sorted([*_built_in(group), *own])


@cache
def _built_in(group: str) -> list[str]:
    folder = Path(__file__).parent / FOLDERS[group]
    names = (module.name for module in pkgutil.iter_modules([str(folder)]))
    return [name for name in names if not name.startswith("_")]


def module(group: str, name: str) -> ModuleType:
    """The module of the component with this name.

    Raises:
        UserError: no such component.
    """
    for code in _own:
        if name in code.components(group):
            return code.module(group, name)
    if name not in _built_in(group):
        given = f"{group}.name={name}"
        raise UserError(f"{unknown(given, name, files(group))}; your own: code=FOLDER")
    return importlib.import_module(f"ae_run.{FOLDERS[group]}.{name}")


@cache
def conf_dir() -> Path:
    """The folder of YAML files: the copy inside the package, else the checkout's."""
    packaged = Path(__file__).parent / "conf"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "conf"


def _confs() -> list[Path]:
    """The folders of YAML files: the program's and those of the user's own code."""
    return [conf_dir(), *(code.conf for code in _own if code.conf.is_dir())]


def groups(extra: Iterable[Path] = ()) -> list[str]:
    """The names of the config groups: folders of `conf/` and of the `extra` config folders."""
    folders = [path for root in (*_confs(), *extra) for path in root.iterdir() if path.is_dir()]
    names = {path.name for path in folders if any(path.glob("*.yaml"))}
    return sorted(names - {_REPORTS})


def options(group: str, extra: Iterable[Path] = ()) -> dict[str, str]:
    """The options of a config group with their one-line descriptions, sorted by name.

    The description is the first comment line of the YAML file. `extra` folders, from
    `--config-dir`, take precedence over the built-in ones.
    """
    found: dict[str, str] = {}
    for root in (*extra, *_confs()):
        for path in sorted((root / group).glob("*.yaml")):
            found.setdefault(path.stem, _description(path))
    return dict(sorted(found.items()))


def option_file(group: str, option: str, extra: Iterable[Path] = ()) -> Path:
    """The YAML file of an option that exists."""
    paths = (root / group / f"{option}.yaml" for root in (*extra, *_confs()))
    return next(path for path in paths if path.is_file())


def _description(path: Path) -> str:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: not readable as YAML: {reason}") from None
    comments = (line for line in lines if line.startswith("#") and "@package" not in line)
    return next(comments, "").lstrip("# ").rstrip()
