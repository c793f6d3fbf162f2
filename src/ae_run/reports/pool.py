"""Runs side by side, each in a process with its share of the threads."""

import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from ae_run.errors import Interrupted
from ae_run.processes import usable_cores
from ae_run.reports.execute import execute, start_worker
from ae_run.reports.plan import Planned
from ae_run.reports.store import Store


def run_all(planned: Sequence[Planned], store: Store, jobs: int) -> list[str]:
    """Do all runs; finished runs are not repeated, unfinished ones resumed.

    Args:
        planned: the runs, the first to be started first; one that takes its weights from another
            waits for that.
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
    threads = max(1, usable_cores() // jobs)
    # Fork would copy torch's threads in an unusable state.
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    executor = ProcessPoolExecutor(
        jobs, context, initializer=start_worker, initargs=(threads, stop)
    )
    started, failures = time.monotonic(), {}
    todo, running = list(planned), dict[Future[str | None], Planned]()
    try:
        while todo or running:
            blocked = {run.digest for run in (*todo, *running.values())}
            for run in [run for run in todo if _before(run) not in blocked]:
                todo.remove(run)
                if _before(run) in failures:
                    future: Future[str | None] = Future()
                    future.set_result("the run that it starts from failed")
                else:
                    future = executor.submit(execute, run, store.path(run.digest))
                running[future] = run
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                run, error = running.pop(future), _error(future)
                if error is not None:
                    failures[run.digest] = f"{run.label}: {error}"
                what = f"failed: {error}" if error is not None else _summary(store, run)
                count = len(planned) - len(todo) - len(running)
                took = f"{time.monotonic() - started:6.0f} s"
                print(f"[{count}/{len(planned)}] {took}  {run.label}: {what}", flush=True)
    except (KeyboardInterrupt, BrokenProcessPool, Interrupted):
        stop.set()  # training ends after saving what it has finished
        raise Interrupted("stopped; run the same command to resume") from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
    return list(failures.values())


def _before(run: Planned) -> str | None:
    """The run that it starts from."""
    return None if run.init_from is None else run.init_from.digest


def _error(future: Future[str | None]) -> str | None:
    """Error message of a failed run, or None."""
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
