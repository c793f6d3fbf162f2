"""`task=search`: plan it, fill the study, run its trials, write the result."""

from functools import partial

from ae_run import data, faults
from ae_run.comparison import compare, runs
from ae_run.errors import Interrupted, UserError
from ae_run.job import Job
from ae_run.run_folder import RunFolder
from ae_run.search import page, plan, refit, result, storage, study, workers
from ae_run.search.plan import Plan
from ae_run.training.interrupts import stop_requests


def run(job: Job) -> Plan:
    """Search, then train and score the best run; return what was searched.

    Raises:
        UserError: what was asked for cannot be done.
        RunFailed: the storage is lost, or no trial succeeds.
        MachineFault: the machine lacks space, a permission or the storage.
        OutOfMemory: there is too little memory.
        Interrupted: a signal asked to stop; the same command resumes.
    """
    from ae_run.training.run import check_fingerprint

    search = plan.make(job)
    dataset = data.load(search.config.data)
    search = plan.with_data(search, dataset)
    if job.folder is not None:
        check_fingerprint(job.folder, dataset)
    if not len(dataset.validation):
        raise UserError(
            "data.validation_fraction=0: a search compares trials by validation images; "
            "set a fraction above 0"
        )
    study.quiet()
    options, folder = search.options, search.folder
    new = not folder.path.exists()
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder.path}: cannot be created: {error.strerror}") from None
    connect = partial(
        storage.open_storage,
        options.storage,
        search.password,
        folder.path,
        options.reconnect_seconds,
    )
    try:
        opened = connect()
    except BaseException:
        if new and not any(folder.path.iterdir()):
            folder.path.rmdir()
        raise
    try:
        seed, epochs = search.config.seed, search.epochs
        queue = study.open_study(opened, folder.path, search.name, options, seed, epochs)
        queue.identify(plan.identity(search, dataset))
        _check_fresh(search, queue)
        folder.say(plan.describe(search, dataset))
        try:
            with stop_requests() as stop:
                seconds = workers.Workers(search, queue, connect, dataset, stop).work()
        except Interrupted as end:
            end.args = (f"{end}; the same command resumes it",)
            raise
        _finish(search, queue, seconds)
    except Exception as error:
        fault = faults.of(error)
        if fault is None:
            raise
        fault.args = (f"{fault}; finished trials are kept, and the same command resumes it",)
        raise fault from None
    finally:
        opened.close()
    return search


def _finish(search: Plan, queue: study.TrialQueue, seconds: float) -> None:
    facts, trials = result.finish(search, queue, seconds)
    if search.options.refit != "none":
        refit.refit(search, queue)
        _compare_best(search.folder)
        page.write(search.folder, search, facts, trials)


def _compare_best(folder: RunFolder) -> None:
    """Compare the best runs of a search that went on and found a better one."""
    refits = folder.file("refit")
    # Another process may have trained the best run again, in a folder of its own.
    found = runs.find([str(refits)]) if any(refits.glob("*/config.yaml")) else []
    if sum(run.is_scored for run in found) > 1:
        compare.write(folder, found, f"The best runs of {folder.path.name}")


def _check_fresh(search: Plan, queue: study.TrialQueue) -> None:
    """Refuse trial folders that the study does not know."""
    trials = search.folder.file("trials")
    begun = any(t.state.name != "WAITING" for t in queue.trials())
    if not begun and trials.is_dir() and any(trials.iterdir()):
        raise UserError(
            f"{trials}: holds trials of another search, whose storage is gone; move "
            f"{search.folder.path} away, or choose another search.name"
        )
