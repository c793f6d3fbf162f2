"""The tasks of the command line, one row each; imports none of their code."""

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ae_run import process_state

if TYPE_CHECKING:
    from ae_run.job import Job


@dataclass(frozen=True)
class Task:
    """A task: its help, its function, and how it uses an existing run folder."""

    help: str
    function: str
    """`module:name`, called with the job; imported late, since it may import torch."""
    run_key: str = "run"
    """The config key that names an existing run folder."""
    needs_run: bool = True
    may_change: tuple[str, ...] | None = ()
    """Keys that may change in the run's saved config; None: the task uses the composed config."""
    many_runs: bool = False
    """Whether it works on the run folders of `runs`."""
    checks_components: bool = True
    """Whether to validate the components' own options, which may import torch."""

    def run(self, job: "Job") -> Any:
        """Run the task and return what its function does, leaving the process as it was.

        Raises:
            UserError: the request is invalid.
            RunFailed: it failed.
            Interrupted: it was stopped.
        """
        function: Callable[[Job], Any] = pkgutil.resolve_name(self.function)
        with process_state.kept():  # by now, all is imported whose state a task changes
            return function(job)


_NOTES = ("name", "tags", "notes")

TASKS = {
    "train": Task(
        "train, score on test, draw figures and write a page (the default)",
        "ae_run.tasks:train",
        run_key="resume",
        needs_run=False,
        may_change=(
            "device",
            "data.root",
            "data.path",
            "data.memory",
            "train.epochs",
            "train.loggers",
            "figures",
            *_NOTES,
        ),
    ),
    "check": Task(
        "show images, classes, splits, model, steps, time and memory before any training",
        "ae_run.check:check",
        needs_run=False,
    ),
    "search": Task(
        "try many values of the keys in search.space, then train with the best",
        "ae_run.search.task:run",
        needs_run=False,
        may_change=None,
    ),
    "evaluate": Task(
        "score a finished run again: run=RUN_DIR",
        "ae_run.tasks:evaluate",
        may_change=("device", "data.root", "data.path", "data.memory", "evaluate", "figures"),
    ),
    "figures": Task(
        "draw a run's figures again from its arrays, without torch: run=RUN_DIR",
        "ae_run.tasks:figures",
        may_change=("figures",),
        checks_components=False,
    ),
    "report": Task(
        "write a run's page again, with another name=, tags= or notes=: run=RUN_DIR",
        "ae_run.tasks:report",
        may_change=_NOTES,
        checks_components=False,
    ),
    "export": Task(
        "write a run's encoder and decoder as ONNX, or its weights: run=RUN_DIR",
        "ae_run.handover.export:export",
        may_change=("format",),
    ),
    "encode": Task(
        "write codes, labels and errors of images to an .npz file: run=RUN_DIR data=…",
        "ae_run.handover.encode:encode",
        may_change=("device", "data", "output", "evaluate.batch_size"),
    ),
    "compare": Task(
        "compare finished runs in a table and on a page: runs='outputs/**'",
        "ae_run.comparison.compare:compare",
        needs_run=False,
        may_change=None,
        many_runs=True,
        checks_components=False,
    ),
    "list": Task(
        "list runs with status, age, score and size: runs='outputs/**'",
        "ae_run.comparison.listing:show",
        needs_run=False,
        may_change=None,
        many_runs=True,
        checks_components=False,
    ),
    "clean": Task(
        "delete failed runs and what finished runs need no more; shows it and asks first",
        "ae_run.comparison.cleaning:clean",
        needs_run=False,
        may_change=None,
        many_runs=True,
        checks_components=False,
    ),
}
