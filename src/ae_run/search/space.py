"""What is searched: config keys, each with the values it may take.

In YAML a mapping of keys, on the command line a list such as
`[train.lr=log(1e-4,1e-1),model.latent_dim=int(2,10)]`; the command line hands the list over
as one string. A key may point into a list: `model.channels.0`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ae_run.config import Config
from ae_run.errors import UserError
from ae_run.messages import nearest
from ae_run.search.parameters import Choice, Parameter, Value, parameter, scalar

Values = dict[str, Value]
Space = tuple[Parameter, ...]


def parse(raw: object) -> Space:
    """A space from YAML or from the command line.

    Raises:
        UserError: an entry is not readable; the message names it.
    """
    if isinstance(raw, str):
        raw = _items(raw)
    if isinstance(raw, Sequence):
        pairs = [_from_text(str(item)) for item in raw]
    elif isinstance(raw, Mapping):
        # A preset that extends another drops a key with null.
        pairs = [(str(k), entry) for k, entry in raw.items() if entry is not None]
    else:
        raise UserError("search.space: must be a mapping of keys, or [KEY=log(LOW,HIGH),…]")
    if not pairs:
        raise UserError("search.space: is empty; give at least one key to search")
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise UserError(f"search.space: {key} stands twice")
    space = tuple(parameter(key, entry) for key, entry in pairs)
    return _ordered(space)


def _items(text: str) -> list[str]:
    """The items of a bracketed list, split at commas outside parentheses."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    items, depth = [""], 0
    for char in text:
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            items.append("")
        else:
            items[-1] += char
    return [item.strip() for item in items if item.strip()]


_FORM = "KEY=float(LOW,HIGH), log(LOW,HIGH), int(LOW,HIGH) or choice(A,B), also with ' if KEY=X'"


def _from_text(item: str) -> tuple[str, dict[str, Any]]:
    match = re.fullmatch(r"([\w.]+)\s*=\s*(\w+)\((.*)\)(?:\s+if\s+(.+))?", item.strip())
    if not match:
        raise UserError(f"search.space: {item}: not readable; must be {_FORM}")
    key, kind, inside, when = match.groups()
    words = _items(inside)
    entry: dict[str, Any] = {"when": when} if when else {}
    if kind in ("choice", "categorical"):
        return key, entry | {"type": "categorical", "choices": [scalar(word) for word in words]}
    if kind not in ("float", "log", "int"):
        guess = nearest(kind, ("float", "log", "int", "choice"))
        hint = f"; did you mean '{guess}'?" if guess else ""
        raise UserError(f"search.space: {item}: no such kind '{kind}'{hint} Must be {_FORM}")
    options = [word for word in words if "=" in word or word == "log"]
    bounds = [scalar(word) for word in words if word not in options]
    if len(bounds) != 2:
        raise UserError(f"search.space: {item}: needs two bounds, as in {kind}(LOW,HIGH)")
    entry |= {"type": "int" if kind == "int" else "float", "low": bounds[0], "high": bounds[1]}
    if kind == "log":
        entry["log"] = True
    for option in options:
        name, _, value = option.partition("=")
        entry[name.strip()] = scalar(value) if value else True
    return key, entry


def _ordered(space: Space) -> Space:
    """The space with conditions after what they depend on.

    Raises:
        UserError: a condition on a key that is not searched, on a value that it never has, or
            in a circle.
    """
    known = {p.key: p for p in space}
    for p in space:
        if p.when is None:
            continue
        key, value = p.when
        if key not in known:
            raise UserError(f"search.space: {p.key}: when={key}=…: {key} is not searched itself")
        other = known[key]
        choices = other.choices if isinstance(other, Choice) else ()
        if value not in choices:
            told = ", ".join(map(str, choices)) or "those of a choice(…)"
            raise UserError(f"search.space: {p.key}: when={key}={value}: values are {told}")
    done: list[Parameter] = []
    while len(done) < len(space):
        keys = {p.key for p in done}
        ready = [p for p in space if p not in done and (p.when is None or p.when[0] in keys)]
        if not ready:
            raise UserError("search.space: conditions (when) depend on each other in a circle")
        done += ready
    return tuple(done)


def value_at(config: Config, key: str) -> Any:
    """The plain value at a dotted key; a number is an index into a list."""
    node: Any = config.dump()
    for part in key.split("."):
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def overrides(config: Config, keys: Iterable[str]) -> list[str]:
    """The config's values at these keys as overrides; a list is written whole."""
    whole = (re.sub(r"(\.\d+)+$", "", key) for key in keys)
    return [f"{key}={_override_text(value_at(config, key))}" for key in dict.fromkeys(whole)]


def _override_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "[" + ",".join(map(_override_text, value)) + "]"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][\w./-]*", value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)
