"""A worker: takes waiting trials and runs them until none is left.

With `search.workers=1` the search itself is the worker. Otherwise `workers` starts
`python -m ae_run.search.worker`, which reads its `Order` from stdin as one JSON line: the
storage's password is in it, and would be visible in a command line. Stdin then stays open; when
it closes, the parent has died, and the worker ends too.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import optuna
from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
from optuna.trial import TrialState
from pydantic import Field

from ae_run import components, faults, processes
from ae_run.data import Dataset, Images, Part
from ae_run.errors import AeRunError, Interrupted, OutOfMemory
from ae_run.run_folder import RunFolder
from ae_run.schema import Schema
from ae_run.search import storage, study
from ae_run.search.config import SearchConfig
from ae_run.search.storage import StorageLost

DONE, STORAGE_LOST, BROKEN, LACKING = 0, 3, 4, 5
"""Exit codes."""
_FACTS = ("class_names", "skipped", "twins", "fingerprint", "mean_pixel")


class Order(Schema):
    """What a worker is to do."""

    options: SearchConfig
    password: str | None
    name: str
    seed: int
    epochs: int
    folder: Path
    """Of the search."""
    label: str
    config: dict[str, Any]
    """Of its runs, by `Config.dump`: validating it imports torch, which must wait for `threads`."""
    encoder: Path | None
    overrides: list[str]
    worker: str
    """Its name."""
    threads: int
    session: str
    """Of the process that runs the search."""
    deadline: float | None
    """Seconds since the epoch; no trial starts after it."""
    images: Path | None
    """A folder that `save_images` wrote; None if the worker has the data set."""
    code: Annotated[tuple[str, ...], Field(strict=False)]
    """The user's own, by what `code=` takes."""


class Worker:
    """Runs one trial after another."""

    def __init__(self, order: Order, queue: study.TrialQueue, dataset: Dataset) -> None:
        from ae_run.search.trial import Objective  # imports torch

        self._order = order
        self._queue = queue
        self._objective = Objective(order, without_test(dataset), queue.ledger.leads)

    def run_one(self) -> bool:
        """Take a trial and run it; False if none is waiting.

        Raises:
            StorageLost: the database cannot be reached any more.
            MachineFault: the machine lacks what any trial needs; this one waits again.
            OutOfMemory: likewise for memory.
            Interrupted: a signal asked to stop; the trial waits again.
        """
        with self._queue.take(self._order.session) as taken:
            if taken is None:
                return False
            trial, folder = taken
            try:
                self._run(trial, folder)
            except UpdateFinishedTrialError:  # by another process, which took this one for dead
                search = RunFolder(self._order.folder)
                search.log(f"trial {trial.number} was given up by another process")
            except (Interrupted, StorageLost):
                self._queue.put_back(trial, folder)
                raise
            except Exception as error:
                fault = faults.of(error)
                if fault is None:
                    raise
                # A trial that needs more memory than there is must not stop every search.
                self._queue.put_back(trial, folder, tried=isinstance(fault, OutOfMemory))
                raise fault from None
        return True

    def _run(self, trial: optuna.Trial, folder: RunFolder) -> None:
        from ae_run.search.trial import Failed

        try:
            values = self._objective(trial, folder)
        except TrialPruned:
            self._queue.tell(trial, TrialState.PRUNED)
        except Failed:
            self._queue.tell(trial, TrialState.FAIL)
        else:
            self._queue.tell(trial, TrialState.COMPLETE, values)


def without_test(dataset: Dataset) -> Dataset:
    """The data set as trials get it: without its test split."""
    return replace(dataset, _test=_none_of(dataset.train))


def _none_of(part: Part) -> Part:
    return part.select(slice(0))


def save_images(dataset: Dataset, folder: Path) -> None:
    """Write a data set without its test split, for `load_images` in another process."""
    train, validation = dataset.train, dataset.validation
    parts = {"train": train.images, "validation": validation.images, "grey": dataset.grey}
    for name, images in parts.items():
        if images is not None:
            (folder / name).mkdir()
            images.save(folder / name)
    np.savez(folder / "labels.npz", train=train.labels, validation=validation.labels)
    facts = {name: getattr(dataset, name) for name in _FACTS}
    (folder / "dataset.json").write_text(json.dumps(facts), encoding="utf-8")


def load_images(folder: Path) -> Dataset:
    """The data set that `save_images` wrote; all processes share one copy in memory."""
    facts: dict[str, Any] = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    with np.load(folder / "labels.npz") as labels:
        train, validation = (
            Part(Images.load(folder / name), labels[name]) for name in ("train", "validation")
        )
    grey = Images.load(folder / "grey") if (folder / "grey").exists() else None
    facts |= {name: tuple(facts[name]) for name in ("class_names", "skipped")}
    return Dataset(train, validation, _none_of(train), grey=grey, **facts)


def main() -> int:
    """Run trials as a process of its own; return an exit code."""
    stopping = threading.Event()
    for number in processes.stop_signals():
        signal.signal(number, lambda *_: stopping.set())
    order = Order.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = str(order.threads)  # before torch is imported
    try:
        with components.using(order.code):
            _work(order, stopping)
    except Interrupted:
        return DONE
    except AeRunError as error:
        print(storage.hide(str(error), order.password), file=sys.stderr, flush=True)
        if isinstance(error, StorageLost):
            return STORAGE_LOST
        return BROKEN if faults.of(error) is None else LACKING
    except Exception as error:
        fault = faults.of(error)
        text = traceback.format_exc() if fault is None else str(fault)
        print(storage.hide(text, order.password), file=sys.stderr, flush=True)
        return BROKEN if fault is None else LACKING
    return DONE


def _die_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os._exit(1)


def _work(order: Order, stopping: threading.Event) -> None:
    import torch

    study.quiet()
    torch.set_num_threads(order.threads)
    options = order.options
    opened = storage.open_storage(
        options.storage, order.password, order.folder, options.reconnect_seconds
    )
    queue = study.open_study(opened, order.folder, order.name, options, order.seed, order.epochs)
    assert order.images is not None
    worker = Worker(order, queue, load_images(order.images))
    while not stopping.is_set() and (order.deadline is None or time.time() < order.deadline):
        # Once a trial is complete, nothing is hopeless any more.
        if queue.ledger.best is None and queue.ledger.look().is_hopeless:
            break
        if not worker.run_one():
            break


if __name__ == "__main__":
    sys.exit(main())
