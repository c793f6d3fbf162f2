"""What is searched: config keys, each with the values it may take.

In YAML a mapping of keys, on the command line a list such as
`[train.lr=log(1e-4,1e-1),model.latent_dim=int(2,10)]`; the command line hands the list over
as one string. A key may point into a list: `model.channels.0`.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ae_run.components import nearest
from ae_run.errors import UserError

Value = bool | int | float | str | None
Values = dict[str, Value]
_KINDS = ("float", "int", "categorical")
_FIELDS = {
    "float": ("low", "high", "log", "step", "when"),
    "int": ("low", "high", "log", "step", "when"),
    "categorical": ("choices", "when"),
}


@dataclass(frozen=True)
class Parameter:
    """A config key and the values it may take."""

    key: str
    kind: Literal["float", "int", "categorical"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Value, ...] = ()
    when: tuple[str, Value] | None = None
    """Searched only while that other parameter has that value."""

    def ends(self) -> tuple[Value, ...]:
        """The values at its bounds, or all its choices."""
        if self.kind == "categorical":
            return self.choices
        return (int(self.low), int(self.high)) if self.kind == "int" else (self.low, self.high)

    def grid(self) -> list[Value]:
        """Every value, for a grid.

        Raises:
            UserError: there are infinitely many.
        """
        if self.kind == "categorical":
            return list(self.choices)
        if self.kind == "float" and self.step is None:
            raise UserError(
                f"search.space: {self.key}: a grid needs step=… or choice(…) for a float"
            )
        step = self.step or 1
        values = [self.low + i * step for i in range(int((self.high - self.low) / step + 1e-9) + 1)]
        return [int(value) for value in values] if self.kind == "int" else list(values)

    def summary(self) -> str:
        """As it is written on the command line."""
        if self.kind == "categorical":
            text = f"choice({','.join('null' if c is None else str(c) for c in self.choices)})"
        else:
            ends = ",".join(f"{end:.12g}" for end in (self.low, self.high))
            options = f",step={self.step:.12g}" if self.step else ""
            if self.log and self.kind == "float":
                text = f"log({ends})"
            else:
                text = f"{self.kind}({ends}{options}{',log' * self.log})"
        if self.when:
            text += f" if {self.when[0]}={self.when[1]}"
        return text


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
        # A preset that extends another one drops a key with null.
        pairs = [(str(k), entry) for k, entry in raw.items() if entry is not None]
    else:
        raise UserError("search.space: must be a mapping of keys, or [KEY=log(LOW,HIGH),…]")
    if not pairs:
        raise UserError("search.space: is empty; give at least one key to search")
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise UserError(f"search.space: {key} stands twice")
    space = tuple(_parameter(key, entry) for key, entry in pairs)
    return _ordered(space)


def _items(text: str) -> list[str]:
    """The items of a bracketed list, cut at the commas outside of parentheses."""
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
        return key, entry | {"type": "categorical", "choices": [_scalar(word) for word in words]}
    if kind not in ("float", "log", "int"):
        guess = nearest(kind, ("float", "log", "int", "choice"))
        hint = f"; did you mean '{guess}'?" if guess else ""
        raise UserError(f"search.space: {item}: no such kind '{kind}'{hint} Must be {_FORM}")
    options = [word for word in words if "=" in word or word == "log"]
    bounds = [_scalar(word) for word in words if word not in options]
    if len(bounds) != 2:
        raise UserError(f"search.space: {item}: needs two bounds, as in {kind}(LOW,HIGH)")
    entry |= {"type": "int" if kind == "int" else "float", "low": bounds[0], "high": bounds[1]}
    if kind == "log":
        entry["log"] = True
    for option in options:
        name, _, value = option.partition("=")
        entry[name.strip()] = _scalar(value) if value else True
    return key, entry


def _scalar(word: str) -> Value:
    """A number, true, false, null or text, as in YAML; but 1e-4 is a number here."""
    word = word.strip()
    known: dict[str, Value] = {"true": True, "false": False, "null": None}
    if word.lower() in known:
        return known[word.lower()]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            pass
    return word.strip("'\"")


def _parameter(key: str, entry: object) -> Parameter:
    def wrong(what: str) -> UserError:
        return UserError(f"search.space: {key}: {what}")

    if not isinstance(entry, Mapping):
        raise wrong(f"{entry}: must be a mapping such as {{type: int, low: 2, high: 10}}")
    fields = dict(entry)
    kind = fields.pop("type", None)
    if kind not in _KINDS:
        raise wrong(f"type={kind}: must be one of {', '.join(_KINDS)}")
    for name in fields:
        if name not in _FIELDS[kind]:
            guess = nearest(str(name), _FIELDS[kind])
            hint = f"; did you mean '{guess}'?" if guess else ""
            raise wrong(f"{name}: no such option of {kind}{hint} Choices: {_FIELDS[kind]}")
    when = _condition(key, fields.get("when"))
    if kind == "categorical":
        choices = fields.get("choices")
        if not isinstance(choices, Sequence) or isinstance(choices, str) or len(choices) < 1:
            raise wrong("choices: must list at least one value")
        if not all(c is None or isinstance(c, bool | int | float | str) for c in choices):
            raise wrong(f"choices={choices}: each must be a number, text, true, false or null")
        return Parameter(key, "categorical", choices=tuple(choices), when=when)
    low, high, step, log = (fields.get(name) for name in ("low", "high", "step", "log"))
    number = (int,) if kind == "int" else (int, float)
    for name, value in (("low", low), ("high", high), ("step", step)):
        if value is None and name == "step":
            continue
        if isinstance(value, bool) or not isinstance(value, number):
            article = "an integer" if kind == "int" else "a number"
            raise wrong(f"{name}={value}: must be {article}, since its type is {kind}")
    assert isinstance(low, int | float)
    assert isinstance(high, int | float)
    if not isinstance(log, bool | None):
        raise wrong(f"log={log}: must be true or false")
    if not low <= high:
        raise wrong(f"low={low} must not be above high={high}")
    if log and low <= 0:
        raise wrong(f"low={low}: must be above 0 for a logarithmic scale")
    if step is not None and (step <= 0 or log):
        raise wrong(f"step={step}: must be above 0, and goes not with log")
    exact = float if kind == "float" else int
    return Parameter(key, kind, exact(low), exact(high), bool(log), step, when=when)


def _condition(key: str, when: object) -> tuple[str, Value] | None:
    if when is None:
        return None
    name, equals, value = str(when).partition("=")
    if not equals or not value:
        raise UserError(f"search.space: {key}: when={when}: must be KEY=VALUE")
    return name.strip(), _scalar(value)


def _ordered(space: Space) -> Space:
    """Conditions after what they depend on.

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
        choices = known[key].choices
        if known[key].kind != "categorical" or value not in choices:
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


def value_at(raw: Mapping[str, Any], key: str) -> Any:
    """The config's value at a dotted key; a number is an index into a list."""
    node: Any = raw
    for part in key.split("."):
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def apply(raw: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """A copy of the config with these values at their keys."""
    changed: dict[str, Any] = copy.deepcopy(dict(raw))
    for key, value in values.items():
        parent, _, last = key.rpartition(".")
        node: Any = value_at(changed, parent) if parent else changed
        node[int(last) if isinstance(node, list) else last] = value
    return changed


def overrides(raw: Mapping[str, Any], values: Mapping[str, Value]) -> list[str]:
    """The values as overrides for the command line; a list is written whole."""
    applied = apply(raw, values)
    lines: dict[str, str] = {}
    for key in values:
        path = key.split(".")
        while path[-1].isdigit():
            path.pop()
        whole = ".".join(path)
        lines[whole] = f"{whole}={_override_text(value_at(applied, whole))}"
    return list(lines.values())


def _override_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "[" + ",".join(map(_override_text, value)) + "]"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][\w./-]*", value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)
