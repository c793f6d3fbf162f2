"""Error messages: the nearest valid name, and Hydra's and pydantic's errors in one line each."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LONGEST = 200
"""Letters of a value that are repeated."""


def nearest(value: str, choices: Iterable[str]) -> str | None:
    """The choice closest to `value`, or None if none is close."""
    by_lower = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[close[0]] if close else None


def unknown(given: str, value: str, choices: Collection[str], what: str = "name") -> str:
    """Message for a `value` that is not one of the choices; `given` is how the user wrote it."""
    guess = nearest(value, choices)
    hint = f"; did you mean '{guess}'?" if guess else "."
    return f"{given}: no such {what}{hint} Choices: {', '.join(choices)}"


def flatten(raw: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted key of every value."""
    for key, value in raw.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{path}.")
        else:
            yield path


def nearest_key(path: str, known: Iterable[str]) -> str | None:
    """The known dotted key that a mistyped one most likely means.

    Its own group comes first, then keys that lie less deep: `epochs` is `train.epochs`.
    """
    parent, _, leaf = path.rpartition(".")
    others = sorted((key for key in known if key != path), key=lambda key: key.count("."))
    siblings: dict[str, str] = {}
    everywhere: dict[str, str] = {}
    for key in others:
        group, _, name = key.rpartition(".")
        everywhere.setdefault(name, key)
        if group == parent:
            siblings.setdefault(name, key)
    for candidates in (siblings, everywhere):
        if close := difflib.get_close_matches(leaf, candidates, n=1, cutoff=0.6):
            return candidates[close[0]]
    return None


def no_such_key(path: str, known: Iterable[str]) -> str:
    """Message for an unknown dotted key, with the nearest known one."""
    guess = nearest_key(path, known)
    return f"{path}: no such key" + (f"; did you mean '{guess}'?" if guess else "")


def no_such_override(
    path: str, raw: Mapping[str, Any], options: Mapping[str, Collection[str]]
) -> str:
    """Like `no_such_key`; if nothing in the key's group is close, list the group's keys.

    Args:
        path: the key.
        raw: the composed config, without the faulty override.
        options: the options of each config group.
    """
    known = [*flatten(raw), *options]
    group = path.rpartition(".")[0]
    below = [key.removeprefix(f"{group}.") for key in known if key.startswith(f"{group}.")]
    names = sorted({key.partition(".")[0] for key in below} - {"name"})
    guess = nearest_key(path, known)
    if not below or (guess and guess.rpartition(".")[0] == group):
        return no_such_key(path, known)
    if names:
        return f"{path}: no such key; {group} has {', '.join(names)}"
    chosen = raw[group]["name"]
    others = ", ".join(option for option in options[group] if option != chosen)
    return f"{path}: no such key; {group}={chosen} has no options; pick another first: {others}"


def composition_error(
    error: Exception, overrides: Sequence[str], missing: Callable[[str], str]
) -> str:
    """One line for a Hydra or OmegaConf error; `missing` formats that of an unknown key."""
    text = str(error)
    override = getattr(error, "override", None)
    if override is not None:
        rule = "no spaces around =, brackets and quotes in pairs, values that contain them in '…'"
        return f"{override}: not readable as KEY=VALUE: {rule}"
    several = re.search(r"(\S+=\S+,\S*)", text) if "sweep" in text else None
    if several:
        given = next((override for override in overrides if "," in override), several[1])
        name, _, values = given.partition("=")
        return f"{given}: several values need -m; one value that is a list is '{name}=[{values}]'"
    key = re.search(r"Could not override '([^']+)'", text)
    if key:
        return missing(key[1])
    if text.startswith("Error merging override ") and error.__cause__ is not None:
        reason = str(error.__cause__).strip().partition("\n")[0]
        return f"{text.removeprefix('Error merging override ')}: cannot be set there: {reason}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(line for line in lines if not line.startswith(("See http", "Set the env")))


def validation_error(details: "ErrorDetails", known: Iterable[str]) -> str:
    """One line for a pydantic error: `path=value: rule; hint`.

    Args:
        details: one of `ValidationError.errors()`.
        known: the config's dotted keys.
    """
    return " ".join(_validation_error(details, known).split())  # a value may be of several lines


def _validation_error(details: "ErrorDetails", known: Iterable[str]) -> str:
    path = ".".join(str(part) for part in details["loc"])
    kind, value = details["type"], details["input"]
    shown = str(value) if len(str(value)) <= _LONGEST else f"{str(value)[:_LONGEST]}…"
    if kind == "extra_forbidden":
        return no_such_key(path, known)
    if kind == "missing":
        return f"{path}: missing; give it a value"
    if kind == "value_error":
        return str(details.get("ctx", {}).get("error", details["msg"]))
    rule = details["msg"].replace("Input should be", "must be").replace("String should", "must")
    if kind == "literal_error":
        choices = [choice.strip("' ") for choice in rule[8:].replace(" or ", ", ").split(",")]
        guess = nearest(str(value), choices)
        return f"{path}={shown}: {rule}" + (f"; did you mean '{guess}'?" if guess else "")
    if path == "device":
        rule = "must be auto, cpu, cuda, cuda:N or mps"
    if kind == "tuple_type" and isinstance(value, (str, int, float)):
        inside = any(isinstance(part, int) for part in details["loc"])
        return f"{path}={shown}: must be a list" + ("" if inside else f": {path}=[{shown}]")
    if isinstance(value, dict):
        return f"{path}: {rule}"
    return f"{path}={shown}: {rule[0].lower()}{rule[1:]}"
