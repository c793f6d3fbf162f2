"""How errors in a config read: path, value, rule, and the nearest valid name."""

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from ae_run import components


def flatten(raw: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted path of every value."""
    for key, value in raw.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{path}.")
        else:
            yield path


def nearest_key(path: str, known: Collection[str]) -> str | None:
    """The known dotted path that a mistyped one most likely means."""
    parent, _, leaf = path.rpartition(".")
    siblings = {key.rpartition(".")[2]: key for key in known if key.rpartition(".")[0] == parent}
    everywhere = {key.rpartition(".")[2]: key for key in known if key != path}
    for candidates in (siblings, everywhere):
        close = difflib.get_close_matches(leaf, candidates, n=1, cutoff=0.6)
        if close and candidates[close[0]] != path:
            return candidates[close[0]]
    return None


def message(details: ErrorDetails, known: Collection[str]) -> str:
    """One line for one of pydantic's errors; `known` are the paths that there are."""
    path = ".".join(str(part) for part in details["loc"])
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        guess = nearest_key(path, [key for key in known if key != path])
        return f"{path}: no such key" + (f"; did you mean '{guess}'?" if guess else "")
    if kind == "missing":
        return f"{path}: missing; give it a value"
    if kind == "value_error":
        return str(details.get("ctx", {}).get("error", details["msg"]))
    rule = details["msg"].replace("Input should be", "must be").replace("String should", "must")
    if kind == "literal_error":
        choices = [choice.strip("' ") for choice in rule[8:].replace(" or ", ", ").split(",")]
        guess = components.nearest(str(value), choices)
        return f"{path}={value}: {rule}" + (f"; did you mean '{guess}'?" if guess else "")
    if path == "device":
        rule = "must be auto, cpu, cuda, cuda:N or mps"
    if isinstance(value, dict):
        return f"{path}: {rule}"
    return f"{path}={value}: {rule[0].lower()}{rule[1:]}"
