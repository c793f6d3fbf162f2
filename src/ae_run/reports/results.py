"""Which runs stand behind a name of a report, and what they say about a metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ae_run.drawing.run_data import RunData, floats
from ae_run.errors import UserError
from ae_run.reports.plan import Planned
from ae_run.reports.spec import Value


@dataclass(frozen=True)
class Found:
    """The finished runs behind a name, at one budget."""

    name: str
    budget: str
    planned: tuple[Planned, ...]
    runs: tuple[RunData, ...]
    cut: str
    """What budget quick leaves out of the report's own, in words."""

    @property
    def points(self) -> list[Value]:
        """The values of the sweep, in order."""
        return list(dict.fromkeys(plan.point for plan in self.planned if plan.point is not None))

    @property
    def first(self) -> RunData:
        """The run with the first seed."""
        return self.runs[0]

    def at(self, point: Value | None) -> list[RunData]:
        """The runs with that value of the sweep, one per seed."""
        pairs = zip(self.planned, self.runs, strict=True)
        return [run for plan, run in pairs if plan.point == point]


def value(run: RunData, metric: str) -> float:
    """One number of a run.

    Args:
        run: the run.
        metric: a path in `metrics.json`, such as `probe.mlp.accuracy`; with `@0.45` the value of
            a curve at that level. `history.validation_mse` is the lowest of a column in the
            last stage, and `run.data.twins.validation_in_train` a path in `run.json`.

    Raises:
        UserError: the run has no such number.
    """
    path, _, level = metric.partition("@")
    keys = path.split(".")
    if keys[0] == "history":
        lowest = run.lowest(keys[1])
        if lowest is None:
            raise UserError(f"{metric}: the run has no such column")
        return lowest
    found = dig(run.run, keys[1:]) if keys[0] == "run" else dig(run.metrics, keys)
    if level and isinstance(found, list):
        levels = dig(run.metrics, [*keys[:-1], "levels"])
        near = [v for at, v in zip(levels, found, strict=True) if abs(at - float(level)) < 1e-9]
        found = near[0] if near else None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise UserError(f"{metric}: the run has no such number")
    return float(found)


def dig(content: Any, keys: Sequence[str]) -> Any:
    """What lies at a path of nested mappings; None where there is nothing."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def mean_sd(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard deviation (n − 1); the latter None for one value."""
    array = floats(values)
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else None


def cut_in_words(quick: Planned, full: Planned) -> str:
    """What a quick run leaves out of the report's own budget."""
    now, whole = quick.raw, full.raw
    parts = []
    if now["train"]["epochs"] != whole["train"]["epochs"]:
        parts.append(f"{now['train']['epochs']} of {whole['train']['epochs']} epochs")
    if now["data"]["limit"] != whole["data"]["limit"]:
        parts.append(f"{now['data']['limit']:,} images of training and validation, and of test")
    other = [key for key in ("batch_size", "lr", "schedule", "patience", "optimizer")
             if now["train"][key] != whole["train"][key]]  # fmt: skip
    parts += [f"{key.replace('_', ' ')} {now['train'][key]} for {whole['train'][key]}"
              for key in other]  # fmt: skip
    return ", ".join(parts)
