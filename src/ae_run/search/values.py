"""A trial's values put into the config, and whether the config allows them."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ae_run.config import validate
from ae_run.config_errors import flatten, nearest_key
from ae_run.errors import UserError
from ae_run.search.space import Parameter, Space, Value, Values

# What is no part of how a model is trained, or what the scores of trials would not compare over.
_FIXED = ("task", "run_dir", "resume", "run", "worker", "device", "evaluate", "figures",
          "train.monitor", "data.validation_fraction", "data.split_seed")  # fmt: skip


def check(space: Space, raw: Mapping[str, Any], prefix: str = "") -> None:
    """Refuse keys that do not exist and bounds that the config's own rules refuse.

    Args:
        space: to check.
        raw: the composed config.
        prefix: keys below it alone may be searched; "" for all that make up a run.

    Raises:
        UserError: one message for all of them.
    """
    wrong = [line for p in space for line in _wrong(p, space, raw, prefix)]
    if wrong:
        raise UserError("\n        ".join(dict.fromkeys(wrong)))


def _wrong(p: Parameter, space: Space, raw: Mapping[str, Any], prefix: str) -> Iterator[str]:
    fixed = not prefix and p.key.startswith("search.")
    if fixed or (not prefix and any(p.key == f or p.key.startswith(f"{f}.") for f in _FIXED)):
        yield f"search.space: {p.key}: cannot be searched; trials would not compare"
        return
    if prefix and not p.key.startswith(prefix):
        yield f"search.space: {p.key}: with search.objective=probe keys must begin with {prefix}"
        return
    try:
        old = _get(raw, p.key)
    except (KeyError, IndexError, ValueError, TypeError):
        known = [k for k in flatten(raw) if k.startswith(prefix)]
        guess = nearest_key(p.key, known)
        yield f"search.space: {p.key}: no such key" + (
            f"; did you mean '{guess}'?" if guess else ""
        )
        return
    if isinstance(old, Mapping | list):
        yield f"search.space: {p.key}: holds several values; search one of them, as {p.key}.0"
        return
    for value in p.ends():
        values: Values = {p.key: value}
        parent: Parameter | None = p
        while parent is not None and parent.when is not None:
            values[parent.when[0]] = parent.when[1]
            parent = next(q for q in space if q.key == parent.when[0])
        try:
            validate(apply(raw, values))
        except UserError as error:
            yield f"search.space: {error}"
            return


def apply(raw: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, Any]:
    """A copy of the config with these values at their keys."""
    changed: dict[str, Any] = copy.deepcopy(dict(raw))
    for key, value in values.items():
        *path, last = key.split(".")
        node: Any = changed
        for part in path:
            node = node[int(part)] if isinstance(node, list) else node[part]
        if isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    return changed


def _get(raw: Mapping[str, Any], key: str) -> Any:
    node: Any = raw
    for part in key.split("."):
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def overrides(raw: Mapping[str, Any], values: Mapping[str, Value]) -> list[str]:
    """The values as overrides for the command line; a list is written whole."""
    applied = apply(raw, values)
    found: dict[str, str] = {}
    for key in values:
        path = key.split(".")
        while path[-1].isdigit():
            path.pop()
        found[".".join(path)] = _override_text(_get(applied, ".".join(path)))
    return [f"{key}={text}" for key, text in found.items()]


def _override_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list):
        return "[" + ",".join(map(_override_text, value)) + "]"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][\w./-]*", value):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return str(value)
