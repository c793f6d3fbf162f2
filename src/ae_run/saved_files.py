"""Schemas of a run folder's own files, which anything may have happened to since they were written.

What does not fit is left out and named by its key; the rest is used. Keys that are not listed here
pass as they are.
"""

import csv
import io
import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ae_run import messages

_LARGEST = 1e100
"""Larger numbers are no scores, and beyond what can be drawn."""
_ROUNDS = 50
_LARGEST_YAML, _MOST_NODES = 1_000_000, 100_000
_LONGEST = 300  # characters of a message, whose value may be anything

_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C, where PyYAML has it: ten times as fast."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")


Number = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Mappings = dict[str, Any]


class _Facts(_Part):
    """`data` in `run.json`."""

    name: str = ""
    fingerprint: str
    images: Count | None = None
    train: Count | None = None
    validation: Count | None = None
    test: Count | None = None
    image_shape: Annotated[list[Count], Field(min_length=3, max_length=3)] | None = None
    skipped: list[str] = []
    twins: dict[str, Count] = {}


class Run(_Part):
    """`run.json`."""

    status: str | None = None
    label: str | None = None
    command: str | None = None
    error: str | None = None
    seed: Count | None = None
    device: str | None = None
    device_name: str | None = None
    precision: str | None = None
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    parameters: Count | None = None
    data: _Facts | None = None
    versions: dict[str, str] | None = None
    git_revision: str | None = None
    epochs_done: Count | None = None
    epochs_scored: Count | None = None
    epochs_drawn: Count | None = None
    best_epoch: Count | None = None
    stopped_early: str | None = None
    monitor: str | None = None
    train_images_per_second: Number | None = None
    warnings: list[str] = []
    notes: list[str] = []
    code: dict[str, str] = {}
    scored_weights: str | None = None
    phases: dict[str, Number] = {}
    wall_seconds: Number = 0.0


class _Scores(_Part):
    """Scores of some images."""

    n: Count | None = None
    components: Count | None = None
    mse: Number | None = None
    psnr_db: Number | None = None
    snr_db: Number | None = None
    ssim: Number | None = None
    bce: Number | None = None
    kl: Number | None = None
    nelbo: Number | None = None
    nelbo_at_mean: Number | None = None
    log_likelihood: Number | None = None


class _Denoising(_Part):
    corruption: str
    level_name: str
    level: Number
    curve: str | None = None
    input: _Scores
    output: _Scores
    pca: _Scores | None = None


class _Curve(_Part):
    """A robustness curve: a score at every level."""

    corruption: str = ""
    level_name: str = "level"
    levels: Annotated[list[Number], Field(min_length=1)]
    mse: list[Number | None]

    @model_validator(mode="after")
    def _as_long(self) -> "_Curve":
        for name, values in (dict(self) | (self.model_extra or {})).items():
            score = name.removeprefix("input_").removeprefix("pca_")
            if score == "n" or score not in _Scores.model_fields:
                continue
            if not isinstance(values, list) or len(values) != len(self.levels):
                raise ValueError(
                    f"{name}: must be a list of {len(self.levels)}, one for each level"
                )
            if not all(value is None or _is_number(value) for value in values):
                raise ValueError(f"{name}: must hold numbers")
        return self


class _Probe(_Part):
    """A classifier on codes."""

    accuracy: Number
    confusion: Annotated[list[list[Number]], Field(max_length=10_000)] | None = None

    @model_validator(mode="after")
    def _square(self) -> "_Probe":
        matrix = self.confusion or []
        if any(len(row) != len(matrix) for row in matrix):
            raise ValueError(f"confusion: must have as many columns as rows, {len(matrix)}")
        return self


class _Baselines(_Part):
    pca: _Scores | None = None
    mean: _Scores | None = None


class Metrics(_Scores):
    """`metrics.json`."""

    latent_dim: Count | None = None
    baseline: _Baselines | None = None
    denoising: _Denoising | None = None
    robustness: dict[str, _Curve] = {}
    probe: dict[str, _Probe] = {}
    convergence: Mappings | None = None
    latent: Mappings | None = None


class _Spread(_Part):
    mean: Number
    sd: Number
    values: list[Number] = []


class Replicas(_Part):
    """`replicas.json`."""

    seeds: Annotated[list[Count], Field(min_length=1)]
    scores: dict[str, _Spread]


class SavedConfig(_Part):
    """The groups of `config.yaml`; what is in them is checked when a run is made of it."""

    data: Mappings | None = None
    corruption: Mappings | None = None
    model: Mappings | None = None
    train: Mappings | None = None
    evaluate: Mappings | None = None
    figures: Mappings | None = None


_SCHEMAS: dict[str, type[_Part]] = {
    "run.json": Run,
    "metrics.json": Metrics,
    "replicas.json": Replicas,
    "config.yaml": SavedConfig,
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _LARGEST


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
    schema = _SCHEMAS.get(name)
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
    return abs(value) <= _LARGEST or not math.isfinite(value)
