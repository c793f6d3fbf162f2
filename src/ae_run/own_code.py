"""A user's own components: a folder or an installed package, laid out like `ae_run` itself.

    my_code/models/my_net.py        as ae_run/models/vae.py
    my_code/conf/model/my_net.yaml  as conf/model/vae.yaml

Only `code=…` of a command or a call names such code. What a run folder says of it is never
imported, since whoever made the folder would then choose what is executed.
"""

import hashlib
import importlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import ModuleSpec
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from ae_run import processes
from ae_run.errors import UserError

GROUP = "ae_run.components"
"""The entry points of installed packages."""
PACKAGES = {"data": "data", "corruption": "corruptions", "model": "models"}
"""Config group → folder of its components."""
_CONTRACT: dict[str, dict[str, tuple[str, ...]]] = {
    "data": {"load": ("config",)},
    "corruption": {"corrupt": ("config", "images", "noise")},
    "model": {
        "Model": ("config", "image_shape"),
        "Model.encode": ("self", "x"),
        "Model.decode_logits": ("self", "z"),
        "Model.loss": ("self", "x_in", "target"),
    },
}
"""What a component's file defines besides `Config`, and what that is called with."""
_PARENT = "ae_run_code"
"""The package below which the modules of folders are imported; it has no file."""


@dataclass(frozen=True)
class Code:
    """Components that are not part of the program."""

    name: str
    folder: Path
    package: str | None = None
    """The importable name of an installed package; None for a folder."""

    @property
    def conf(self) -> Path:
        """Its YAML files; the folder may be missing."""
        return self.folder / "conf"

    @property
    def given(self) -> str:
        """What `code=` takes for it in any folder."""
        return str(self.folder) if self.package is None else self.name

    @cached_property
    def digest(self) -> str:
        """Tells its Python files from others."""
        digest = hashlib.sha256()
        for path in _python_files(self.folder):
            digest.update(f"{path.relative_to(self.folder).as_posix()}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()[:12]

    def components(self, group: str) -> list[str]:
        """The names of its components of a config group, sorted."""
        paths = (self.folder / PACKAGES[group]).glob("[!_]*.py")
        return sorted(path.stem for path in paths)

    def module(self, group: str, name: str) -> ModuleType:
        """Import a component.

        Raises:
            UserError: it cannot be imported, or does not define what a component must.
        """
        path = self.folder / PACKAGES[group] / f"{name}.py"
        try:
            package = self.package or self._registered()
            found = importlib.import_module(f"{package}.{PACKAGES[group]}.{name}")
        except (Exception, SystemExit) as error:
            raise UserError(_in_one_line(error, path, self.folder)) from error
        _check(found, group, path)
        return found

    def _registered(self) -> str:
        """The name under which the folder is imported: a new one whenever a file has changed."""
        importlib.invalidate_caches()
        plain = re.sub(r"\W", "_", self.name)
        name = f"{_PARENT}.{plain}_{self.digest}"
        if name not in sys.modules:
            parent = module_from_spec(ModuleSpec(_PARENT, None, is_package=True))
            sys.modules.setdefault(_PARENT, parent)
            start, inside = self.folder / "__init__.py", [str(self.folder)]
            spec = (
                spec_from_file_location(name, start, submodule_search_locations=inside)
                if start.is_file()
                else ModuleSpec(name, None, is_package=True)
            )
            assert spec is not None
            spec.submodule_search_locations = inside
            module = sys.modules[name] = module_from_spec(spec)
            try:
                if spec.loader is not None:
                    spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[name]
                raise
        return name


def find(given: str) -> Code:
    """The code that `code=` names: a folder, or an installed package by its entry point.

    Raises:
        UserError: neither, or it has no components.
    """
    folder = processes.expanded(given)
    if folder.is_dir():
        found = Code(folder.resolve().name, folder.absolute())
    else:
        points = {point.name: point.value for point in entry_points(group=GROUP)}
        if given not in points:
            known = f"; installed: {', '.join(sorted(points))}" if points else ""
            raise UserError(f"code={given}: no such folder, and no installed package{known}")
        found = Code(given, _place(given, points[given]), points[given])
    parts = [*PACKAGES.values(), "conf"]
    if not any((found.folder / part).is_dir() for part in parts):
        raise UserError(f"code={given}: has none of the folders {', '.join(parts)}")
    return found


def _place(given: str, package: str) -> Path:
    try:
        spec = find_spec(package)
    except ImportError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"code={given}: its entry point names {package}, which is no package")
    return Path(next(iter(spec.submodule_search_locations)))


def _python_files(folder: Path) -> Iterator[Path]:
    """The Python files of a folder and of those below it that hold any, sorted."""
    for path, folders, files in os.walk(folder):
        mine = sorted(name for name in files if name.endswith(".py"))
        if not mine and Path(path) != folder:
            folders.clear()  # images, environments
        folders[:] = sorted(name for name in folders if name[0] != "." and name != "__pycache__")
        yield from (Path(path) / name for name in mine)


def _in_one_line(error: BaseException, path: Path, folder: Path) -> str:
    """What went wrong in an import, with the file and line of the user's code."""
    what = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)]
    return f"{own[-1].filename}:{own[-1].lineno}: {what}" if own else f"{path}: {what}"


def _check(module: ModuleType, group: str, path: Path) -> None:
    """Refuse a component that lacks a part of its contract, or takes other arguments."""
    needed = ["Config", *_CONTRACT[group], *(["LEVEL"] if group == "corruption" else [])]
    for name in needed:
        found: object = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is None:
            raise UserError(f"{path}: defines no {name}, which a {group} needs; {_DOCS}")
        arguments = _CONTRACT[group].get(name)
        if arguments is None:
            continue
        try:
            inspect.signature(found).bind(*arguments)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise UserError(
                f"{path}:{line_of(found)}: {name} must take ({', '.join(arguments)}); {_DOCS}"
            ) from None


_DOCS = "see docs/extending.md"


def line_of(found: object) -> int:
    """The line in which a class or function is defined; 1 where that is not known."""
    try:
        return inspect.getsourcelines(found)[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return 1
