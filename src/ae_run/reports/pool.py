"""Runs side by side, each in a process with its share of the threads."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from ae_run.errors import Interrupted
from ae_run.reports.execute import execute, start_worker
from ae_run.reports.plan import Planned
from ae_run.reports.store import Store


def run_all(planned: Sequence[Planned], store: Store, jobs: int) -> list[str]:
    """Do all runs; what is finished already, or was begun, is not repeated.

    Args:
        planned: the runs, the first to be started first.
        store: where they lie.
        jobs: processes side by side.

    Returns:
        A line for each run that failed; the others are not stopped by it.

    Raises:
        Interrupted: the user asked to stop.
    """
    if not planned:
        return []
    jobs = min(jobs, len(planned))
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Fork would copy torch's threads in an unusable state.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(jobs, context, initializer=start_worker, initargs=(threads,))
    started, failures = time.monotonic(), []
    futures: dict[Future[str | None], Planned] = {
        executor.submit(execute, run, store.path(run.digest)): run for run in planned
    }
    try:
        for count, future in enumerate(as_completed(futures), 1):
            run, error = futures[future], _error(future)
            took = f"{time.monotonic() - started:6.0f} s"
            if error is not None:
                failures.append(f"{run.label}: {error}")
            what = f"failed: {error}" if error is not None else _summary(store, run)
            print(f"[{count}/{len(futures)}] {took}  {run.label}: {what}", flush=True)
    except (KeyboardInterrupt, BrokenProcessPool, Interrupted):
        for process in multiprocessing.active_children():
            process.terminate()  # training ends after saving what it has finished
        raise Interrupted("stopped; the same command goes on from here") from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
    return failures


def _error(future: Future[str | None]) -> str | None:
    """What went wrong in a run, whatever it was; None where nothing did."""
    try:
        return future.result()
    except (BrokenProcessPool, Interrupted):
        raise
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _summary(store: Store, run: Planned) -> str:
    found = store.read(run.digest)
    seconds = float(found.run.get("wall_seconds", 0))
    return f"test MSE {found.metrics['mse']:.5f}, {seconds:.0f} s"
