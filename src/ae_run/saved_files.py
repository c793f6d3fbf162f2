"""What of a run folder's own files can be used: parsed within limits, and checked by a schema.

What does not fit is left out and named by its key; the rest is used.
"""

import csv
import io
import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import yaml
from pydantic import ValidationError

from ae_run import messages
from ae_run.saved_schemas import LARGEST, SCHEMAS

_ROUNDS = 50
_LARGEST_YAML, _MOST_NODES = 1_000_000, 100_000
_LONGEST = 300  # characters of a message, whose value may be anything

_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C, where PyYAML has it: ten times as fast."""


def parse_yaml(content: bytes) -> Any:
    """What a YAML file holds; nothing in it is executed or resolved.

    Raises:
        ValueError: it is no YAML, or larger than any config: aliases make much of a few bytes.
    """
    if len(content) > _LARGEST_YAML:
        raise ValueError(f"larger than {_LARGEST_YAML:,} bytes")
    try:
        parsed = _SafeLoader(content.decode()).get_single_data()
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    nodes, waiting = 0, [parsed]
    while waiting:
        nodes += 1
        if nodes > _MOST_NODES:
            raise ValueError(f"an alias holds itself, or there are more than {_MOST_NODES:,} items")
        node = waiting.pop()
        if isinstance(node, dict | list):
            waiting.extend(node.values() if isinstance(node, dict) else node)
    return parsed


def parse_csv(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV file.

    Raises:
        ValueError: it is no CSV.
    """
    try:
        return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    except csv.Error as error:
        raise ValueError(str(error)) from None


def sound_mapping(name: str, content: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of a JSON or YAML file fits its schema, and one line for each key that does not."""
    schema = SCHEMAS.get(name)
    wrong: list[str] = []
    if schema is None:
        return content, []
    kept = content
    for attempt in range(_ROUNDS):
        try:
            schema.model_validate(kept)
            return kept, wrong
        except ValidationError as error:
            kept = deepcopy(content) if attempt == 0 else kept
            for details in error.errors(include_url=False):
                if attempt == 0:  # what is missing later was taken out here
                    wrong.append(_line(details["loc"], messages.validation_error(details, ())))
                _take_out(kept, details["loc"])
    return {}, wrong


def _line(where: Sequence[str | int], message: str) -> str:
    path = ".".join(map(str, where))
    line = message if message.startswith(path) else f"{path}: {message}"
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


def _take_out(content: dict[str, Any], where: Sequence[str | int]) -> None:
    """Remove the innermost mapping's key on the path to a wrong value."""
    parent, key, node = content, None, content
    for part in where:
        if not isinstance(node, dict) or part not in node:
            break
        parent, key, node = node, part, node[part]
    if key is None:
        content.clear()
    else:
        parent.pop(key, None)


def sound_history(rows: list[dict[str, str]]) -> tuple[list[dict[str, str]], list[str]]:
    """The rows of `history.csv` without the cells that are no numbers, and what was wrong."""
    wrong: dict[str, str] = {}
    kept = []
    for line, row in enumerate(rows, 2):
        sound = {str(name): cell or "" for name, cell in row.items() if name is not None}
        if len(sound) < len(row):
            wrong.setdefault("", f"line {line}: has more cells than the header")
        for name, cell in sound.items():
            counted = name in ("epoch", "lr") or name.startswith(("train_", "validation_"))
            if counted and cell and not _is_cell(cell):
                wrong.setdefault(name, f"line {line}: {name}={cell[:80]}: must be a number")
                sound[name] = ""
        kept.append(sound)
    if rows and "epoch" not in kept[0]:
        return [], ["epoch: no such column"]
    return kept, list(wrong.values())


def _is_cell(text: str) -> bool:
    try:
        value = float(text)
    except ValueError:
        return False
    return abs(value) <= LARGEST or not math.isfinite(value)
