"""Seeded damage to the files of a run folder, as a fuzzer does it."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 3, 10**30, 1e308, -0.5, "", "text", "0", "ä\n", [], {}, [1, "a"]),
    *({"a": {"b": 1}}, [[[]]], float("nan"), float("inf"), "x" * 3000),
)
_CELLS = ("", "text", "nan", "1e400", "-1", "1,2", '"', "\0", "ä")


def damage(folder: Path, name: str, chance: random.Random) -> str:
    """Change one of a folder's files; say how."""
    path = folder / name
    if chance.random() < 0.15:
        return _damage_bytes(path, chance)
    by_suffix = {".json": _damage_mapping, ".yaml": _damage_mapping, ".csv": _damage_csv}
    by_suffix |= {".npz": _damage_arrays, ".pt": _damage_state}
    return f"{name}: {by_suffix.get(path.suffix, _damage_bytes)(path, chance)}"


def _damage_bytes(path: Path, chance: random.Random) -> str:
    content = bytearray(path.read_bytes())
    how = chance.choice(["cut", "flip", "empty", "tail", "binary"])
    match how:
        case "cut":
            del content[chance.randrange(len(content) + 1) :]
        case "flip":
            for _ in range(20):
                content[chance.randrange(len(content))] = chance.randrange(256)
        case "empty":
            content.clear()
        case "tail":
            content += b"\0\xff[{:"
        case "binary":
            content[:] = chance.randbytes(200)
    path.write_bytes(bytes(content))
    return f"{path.name}: bytes: {how}"


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with a key in it."""
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(items):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)


def change(content: Any, chance: random.Random) -> str:
    """Change or remove a value of a mapping or list; say how."""
    container, key = chance.choice(list(_places(content)))
    if isinstance(container, dict) and chance.random() < 0.2:
        del container[key]
        return f"without {key}"
    container[key] = chance.choice(_VALUES)
    return f"{key}={container[key]!r:.50}"


def _damage_mapping(path: Path, chance: random.Random) -> str:
    is_json = path.suffix == ".json"
    text = path.read_text("utf-8")
    content = json.loads(text) if is_json else yaml.safe_load(text)
    how = change(content, chance) if chance.random() < 0.95 else "another type"
    content = [content] if how == "another type" else content
    path.write_text(json.dumps(content) if is_json else yaml.safe_dump(content), "utf-8")
    return how


def _damage_csv(path: Path, chance: random.Random) -> str:
    lines = [line.split(",") for line in path.read_text("utf-8").splitlines()]
    row = chance.randrange(len(lines))
    column = chance.randrange(len(lines[row]))
    lines[row][column] = chance.choice(_CELLS)
    path.write_text("".join(f"{','.join(line)}\n" for line in lines), "utf-8")
    return f"row {row}, column {column}: {lines[row][column]!r}"


def _damage_arrays(path: Path, chance: random.Random) -> str:
    with np.load(path) as archive:
        arrays = dict(archive)
    key = chance.choice(sorted(arrays))
    array = arrays[key]
    others: dict[str, Any] = {
        "float": lambda: array.astype(float) if array.dtype.kind != "U" else np.ones(array.shape),
        "text": lambda: np.full(array.shape, "text"),
        "flat": lambda: array.ravel(),
        "nested": lambda: array[None],
        "shorter": lambda: array[: len(array) // 2],
        "empty": lambda: array[:0],
        "scalar": lambda: np.array(3),
        "negative": lambda: np.full(array.shape, -7),
        "huge": lambda: np.full(array.shape, 10**15),
        "nan": lambda: np.full(array.shape, np.nan),
        "bool": lambda: np.ones(array.shape, bool),
        "complex": lambda: np.ones(array.shape, complex),
        "transposed": lambda: np.ascontiguousarray(array.T),
    }
    how = chance.choice([*others, "missing"])
    if how == "missing":
        del arrays[key]
    else:
        arrays[key] = others[how]()
    np.savez(path, **arrays)
    return f"{key}: {how}"


def _damage_state(path: Path, chance: random.Random) -> str:
    state = torch.load(path, weights_only=True)
    container, key = chance.choice(list(_places(state)))
    if isinstance(container[key], torch.Tensor) and chance.random() < 0.7:
        container[key] = container[key].reshape(-1)[:-1]
        how = f"{key}: another shape"
    else:
        how = change({"": container}, chance) if chance.random() < 0.3 else f"without {key}"
        if how.startswith("without") and isinstance(container, dict):
            container.pop(key, None)
    torch.save(state, path)
    return how
