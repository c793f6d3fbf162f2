"""One run of a report, in a worker process: trained and scored, without figures of its own.

A run's own figures and page would take longer than many of these runs do.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing.synchronize import Event
from pathlib import Path

from ae_run.data import Dataset, load
from ae_run.errors import AeRunError, FolderInUse, Interrupted
from ae_run.reports import store
from ae_run.reports.plan import Planned
from ae_run.run_folder import WEIGHTS, RunFolder
from ae_run.schema import DataConfig

_SECONDS_FOR_LOCK = 60.0
_stop: Event | None = None
"""Set by the parent when the runs are to stop; in a worker only."""


def start_worker(threads: int, stop: Event) -> None:
    """Set up a process that runs `execute`: its threads, and to end with its parent.

    Args:
        threads: of each run.
        stop: what the parent sets to end this process as Ctrl-C would.
    """
    import torch

    global _stop
    _stop = stop
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the parent passes it on
    threading.Thread(target=_wait_for_end, args=(stop,), daemon=True).start()


def _wait_for_end(stop: Event) -> None:
    """Stop as after Ctrl-C, also when the parent was killed: the next maker needs the run's lock.

    A run that is training saves what it has finished first; between runs the process ends at once.
    """
    while _parent_lives() and not stop.wait(0.5):
        pass
    signal.raise_signal(signal.SIGTERM)
    while _parent_lives():
        time.sleep(0.5)
    time.sleep(20)
    os._exit(1)


def _parent_lives() -> bool:
    parent = multiprocessing.parent_process()
    return parent is None or parent.is_alive()


def execute(planned: Planned, path: Path) -> str | None:
    """Train what is missing of a run, score it, and trim its folder.

    A run that differs from a finished one by its evaluation only is scored, not trained again.

    Returns:
        What went wrong; None where all went well.

    Raises:
        Interrupted: the runs are to stop.
    """
    if _stop is not None and _stop.is_set():
        raise Interrupted("stopped before it began")
    try:
        with _folder(path) as folder:
            if not store.is_finished(path, planned):
                if store.is_finished(path):
                    store.empty(folder)  # it was trained when nothing needed what is kept now
                _train(planned, folder)
                store.trim(folder, planned.keeps)
    except Interrupted:
        if not _parent_lives():
            os._exit(1)  # before this process takes the next run from its queue
        raise
    except AeRunError as error:
        return str(error)
    return None


@contextmanager
def _folder(path: Path) -> Iterator[RunFolder]:
    """The run's folder, locked; a worker that is just ending may still hold it."""
    path.mkdir(parents=True, exist_ok=True)
    folder = RunFolder(path, quiet=True)
    started = time.monotonic()
    while True:
        try:
            with folder.lock():
                yield folder
                return
        except FolderInUse:
            if time.monotonic() - started > _SECONDS_FOR_LOCK:
                raise
            time.sleep(0.5)


def _train(planned: Planned, folder: RunFolder) -> None:
    from ae_run.recording import Phases, recorded
    from ae_run.scoring import score
    from ae_run.training import fit
    from ae_run.training.run import start, training_facts

    config, phases = planned.config, Phases()
    if planned.init_from is not None:
        start_from = folder.path.parent / planned.init_from.digest
        config = config.changed({"train.init_from": str(start_from)})
    with phases("data"):
        dataset = _dataset(config.data)
    trained = RunFolder(store.trained(planned, folder))
    if trained.has(WEIGHTS):
        store.copy_training(trained, folder)
    run = start(config, dataset, folder, f"{config.data.name}-{config.model.name}", ())
    with recorded(folder, phases):
        if not trained.has(WEIGHTS):
            with phases("train"):
                for _ in fit(run):
                    pass
            folder.update_json("run.json", **training_facts(run))
        folder.update_json("run.json", command=planned.command)
        with phases("evaluate"):
            score(folder, config, run.model, dataset, run.device)
    if planned.budget == "full":
        store.copy_training(folder, trained)


@lru_cache(maxsize=2)
def _dataset(config: DataConfig) -> Dataset:
    return load(config)
