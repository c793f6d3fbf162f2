"""A search in Python: its trials, its best run, and Optuna's study."""

import weakref
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ae_run.api.run import Run, columns
from ae_run.own_code import Code
from ae_run.run_folder import RunFolder
from ae_run.search import storage

if TYPE_CHECKING:
    import optuna

    from ae_run.search.plan import Plan


class Search:
    """A finished search, read from its folder when it is asked for."""

    def __init__(self, plan: "Plan", code: tuple[Code, ...] = ()) -> None:
        self._plan, self._code = plan, code

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._plan.folder.path

    @property
    def page(self) -> Path:
        """Its page, `report.html`."""
        return self._plan.folder.file("report.html")

    @property
    def results(self) -> dict[str, Any]:
        """What `search.json` says: counts, times, importances and the best values."""
        return self._plan.folder.read_json("search.json")

    @property
    def best_values(self) -> dict[str, Any]:
        """The best value of each searched key."""
        values: dict[str, Any] = self.results["best"]["params"]
        return values

    @property
    def trials(self) -> dict[str, np.ndarray]:
        """The columns of `trials.csv`, each (trials,), as `pandas.DataFrame` takes them."""
        return columns(self._plan.folder.read_csv("trials.csv"))

    @property
    def best(self) -> Run | None:
        """The best run, trained again and scored; None with `search.refit=none`."""
        number = self.results["best"]["number"]
        folder = RunFolder(self._plan.folder.file(f"refit/{number}"), quiet=True)
        return Run(folder, self._code) if folder.has("config.yaml") else None

    @cached_property
    def study(self) -> "optuna.Study":
        """The study, with every trial, for Optuna's own analyses."""
        import optuna

        plan = self._plan
        opened = storage.open_storage(
            plan.options.storage, plan.password, self.path, plan.options.reconnect_seconds
        )
        weakref.finalize(self, opened.close)
        return optuna.load_study(study_name=plan.name, storage=opened.storage)

    def __repr__(self) -> str:
        counts = self.results
        return f"Search({str(self.path)!r}, {counts['trials']} trials, {counts['failed']} failed)"
