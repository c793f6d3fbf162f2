"""The keys of the YAML files, read as text: where each is set, its value and its comment.

For help and tab completion, which need no composed config and must answer at once.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ae_run import components
from ae_run.errors import UserError


@dataclass(frozen=True)
class Key:
    """A key of a config."""

    value: str
    """As it is written; empty for a mapping, whose keys follow."""
    comment: str

    @property
    def choices(self) -> list[str]:
        """The values that the comment lists, as `adam | adamw`, `class: one each | image: …`."""
        parts = re.split(r"\s\|\s", self.comment)
        first = [re.match(r"[\w.+-]+", part.strip()) for part in parts]
        found = [match[0] for match in first if match]
        return list(dict.fromkeys(found)) if len(parts) > 1 else []


@dataclass(frozen=True)
class _File:
    """A YAML file: its own keys, and its defaults list."""

    keys: Mapping[str, Key]
    defaults: Sequence[Any]
    at_root: bool
    """Whether it sets keys of any group, as an experiment does."""


def of_root() -> dict[str, Key]:
    """The keys that belong to no group."""
    keys = _read(components.conf_dir() / "config.yaml").keys
    return {path: key for path, key in keys.items() if not re.match(r"hydra\b", path)}


def of_option(group: str, option: str, extra: Sequence[Path] = ()) -> dict[str, Key]:
    """The keys that an option of a group sets, by dotted path, with those it inherits."""
    return _collect(group, option, None, tuple(extra))


def chosen(words: Iterable[str], extra: Sequence[Path] = ()) -> dict[str, str]:
    """The option of each group, as the defaults and the words of a command line choose them."""
    groups = components.groups(extra)
    defaults = _read(components.conf_dir() / "config.yaml").defaults
    found = {
        name: option
        for entry in defaults
        if isinstance(entry, dict)
        for name, option in entry.items()
        if name in groups and option
    }
    picked = {}
    for word in words:
        group, _, option = word.partition("=")
        if group in groups and option in components.options(group, extra):
            picked[group] = option
    for group, option in picked.items():
        found |= _overrides(group, option, tuple(extra))
    return found | picked


def _collect(
    group: str, option: str, package: str | None, extra: tuple[Path, ...]
) -> dict[str, Key]:
    """The keys of an option below a package, which is else what its file says, or its group."""
    file = _read(components.option_file(group, option, extra))
    if package is None:
        package = "" if file.at_root else group
    found: dict[str, Key] = {}
    for parent, name, below in _parents(file, group, package):
        if name in components.options(parent, extra):
            found |= _collect(parent, name, below, extra)
    for path, key in file.keys.items():
        path = f"{package}.{path}" if package else path
        inherited = found.get(path)
        if key.value:  # a list or null in the place of a mapping
            found = {k: v for k, v in found.items() if not k.startswith(f"{path}.")}
        found[path] = key if key.comment or not inherited else replace(inherited, value=key.value)
    return found


def _parents(file: _File, group: str, package: str) -> Iterator[tuple[str, str, str]]:
    """(group, option, package) of each entry of a defaults list that adds keys."""
    for entry in file.defaults:
        name, option = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
        if name == "_self_" or name.startswith("override "):
            continue
        name, _, target = name.partition("@")
        if option is None:
            parent, _, option = name.rpartition("/")
        else:
            parent = name
        if target in ("_global_", "_here_", ""):
            below = "" if target == "_global_" else package
        else:
            below = f"{package}.{target}" if package else target
        yield parent.strip("/") or group, str(option), below


def _overrides(group: str, option: str, extra: tuple[Path, ...]) -> dict[str, str]:
    """The options of other groups that an option chooses."""
    file = _read(components.option_file(group, option, extra))
    found: dict[str, str] = {}
    for parent, name, _ in _parents(file, group, ""):
        if name in components.options(parent, extra):
            found |= _overrides(parent, name, extra)
    for entry in file.defaults:
        for name, value in entry.items() if isinstance(entry, dict) else ():
            if match := re.match(r"override /?(\w+)", name):
                found[match[1]] = str(value)
    return found


@cache
def _read(path: Path) -> _File:
    text = path.read_text(encoding="utf-8")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        defaults = (yaml.safe_load(text) or {}).get("defaults", []) if root else []
    except (yaml.YAMLError, AttributeError) as error:
        raise UserError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    lines = text.splitlines()
    header = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    keys = dict(_walk(root, lines, header, "")) if isinstance(root, yaml.MappingNode) else {}
    at_root = any("@package _global_" in line for line in lines[:header])
    own = {name: key for name, key in keys.items() if not re.match(r"defaults\b", name)}
    return _File(own, defaults, at_root)


def _walk(
    node: yaml.MappingNode, lines: Sequence[str], header: int, prefix: str
) -> Iterator[tuple[str, Key]]:
    for name, value in node.value:
        path = f"{prefix}{name.value}"
        if isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield path, Key("", _comment(lines, header, name.start_mark, name.end_mark))
            yield from _walk(value, lines, header, f"{path}.")
            continue
        start, end = value.start_mark, value.end_mark
        if isinstance(value, yaml.ScalarNode) and value.style in ("|", ">"):
            shown, end = value.value, name.end_mark
        else:
            shown = start.buffer[start.pointer : end.pointer] if start.buffer else value.value
        yield path, Key(" ".join(shown.split()), _comment(lines, header, name.start_mark, end))


def _comment(lines: Sequence[str], header: int, start: yaml.Mark, end: yaml.Mark) -> str:
    """What follows a value on its line and, further in, on the next; else the lines above it."""
    beside = (
        re.match(r"[:\s]*#(.*)", lines[end.line][end.column :]) if end.line < len(lines) else None
    )
    found = []
    if beside:
        found.append(beside[1])
        for line in lines[end.line + 1 :]:
            more = re.match(r"(\s*)#(.*)", line)
            if not more or len(more[1]) <= start.column:
                break
            found.append(more[2])
    else:
        for line in reversed(lines[header : start.line]):
            above = re.match(r"(\s*)#(.*)", line)
            if not above or len(above[1]) != start.column:
                break
            found.insert(0, above[2])
    return " ".join(part.strip() for part in found)
