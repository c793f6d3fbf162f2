"""The contents of a run folder, read once; figures use nothing else."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from ae_run.errors import UserError
from ae_run.run_folder import RunFolder
from ae_run.saved_config import upgraded

T = TypeVar("T")


@dataclass(frozen=True)
class RunData:
    """The contents of a run folder; empty for files that do not exist yet."""

    config: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, str]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    replicas: dict[str, Any] = field(default_factory=dict)
    """Scores over several seeds, if any."""
    damaged: list[str] = field(default_factory=list)
    """What could not be used, a line for each file or key."""

    @property
    def label(self) -> str:
        """`<data>-<model>`, for titles."""
        return str(self.run.get("label", ""))

    def array(self, key: str) -> np.ndarray | None:
        """A non-empty array, or None."""
        found = self.arrays.get(key)
        return found if found is not None and found.size else None

    def column(self, name: str) -> np.ndarray:
        """A column of the history as floats `(epochs,)`; NaN where a cell is empty."""
        cells = [row.get(name) for row in self.history]
        return np.array([float(cell) if cell else np.nan for cell in cells])

    def lowest(self, name: str) -> float | None:
        """The lowest value of a column in the last stage, when the whole model is trained."""
        rows = [row for row in self.history if row.get("stage") == self.history[-1].get("stage")]
        values = [float(row[name]) for row in rows if row.get(name)]
        return min((value for value in values if np.isfinite(value)), default=None)

    def names(self, labels: np.ndarray | None = None) -> list[str]:
        """Class names, long enough for every label in `labels`."""
        known = [str(name) for name in self.arrays.get("class_names", ())]
        count = 0 if labels is None or not labels.size else int(labels.max()) + 1
        return known + [str(index) for index in range(len(known), count)]

    def names_of(self, key: str) -> list[str]:
        """The class name of each label in the array `key`; empty without that array."""
        labels = self.array(key)
        if labels is None:
            return []
        names = self.names(labels)
        return [names[int(label)] for label in labels.ravel()]

    def score(self, *path: str) -> float | None:
        """A number in the metrics, such as `score("baseline", "pca", "mse")`, or None."""
        found: Any = self.metrics
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return float(found) if isinstance(found, int | float) else None


def floats(values: Iterable[float | None]) -> np.ndarray:
    """Numbers from JSON as floats; null becomes NaN, a gap in a plotted line."""
    return np.array([np.nan if value is None else value for value in values], float)


def load(folder: RunFolder) -> RunData:
    """Read a run folder; what is damaged or not this program's is left out, and named."""
    damaged: list[str] = []

    def read(name: str, salvage: Callable[[str], tuple[T, list[str]]], empty: T) -> T:
        if not folder.has(name):
            return empty
        try:
            content, wrong = salvage(name)
        except UserError as error:
            damaged.append(str(error))
            return empty
        damaged.extend(f"{folder.file(name)}: {line}" for line in wrong)
        return content

    return RunData(
        config=upgraded(read("config.yaml", folder.salvage_mapping, {})),
        run=read("run.json", folder.salvage_mapping, {}),
        history=read("history.csv", folder.salvage_csv, []),
        metrics=read("metrics.json", folder.salvage_mapping, {}),
        arrays=read("artifacts.npz", folder.salvage_arrays, {}),
        replicas=read("replicas.json", folder.salvage_mapping, {}),
        damaged=damaged,
    )
