"""`task=search`: check, fill the study, keep workers going, then write down what was found."""

from ae_run import data
from ae_run.data import Dataset
from ae_run.dispatch import Job
from ae_run.errors import Interrupted, UserError
from ae_run.search import crew, page, prepare, refit, result, storage, study
from ae_run.training.interrupts import stop_requests


def run(job: Job) -> None:
    """Search, and end with the best run.

    Raises:
        UserError: what was asked for cannot be done.
        RunFailed: the storage is lost, or no trial succeeds.
        Interrupted: it was stopped; the same command goes on.
    """
    from ae_run.training.run import check_fingerprint

    search = prepare.prepare(job)
    dataset = data.load(search.config.data)
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
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        opened = storage.open_storage(
            options.storage, search.password, folder.path, options.reconnect_seconds
        )
    except BaseException:
        if new and not any(folder.path.iterdir()):
            folder.path.rmdir()
        raise
    try:
        _search(search, dataset, opened)
    finally:
        opened.close()


def _search(search: prepare.Search, dataset: Dataset, opened: storage.Opened) -> None:
    found = study.open_study(
        opened, search.name, search.options, search.space, search.config.seed, search.epochs
    )
    study.identify(found, prepare.identity(search, dataset))
    _check_fresh(search, found)
    search.folder.say(prepare.describe(search, dataset))
    try:
        with stop_requests() as stop:
            seconds = crew.Crew(search, found, dataset, stop).work()
    except Interrupted as end:
        end.args = (f"{end}; the same command goes on",)
        raise
    facts, data = result.finish(search, found, seconds)
    if search.options.refit != "none":
        refit.refit(search, found)
        page.write(search.folder, search, facts, data)


def _check_fresh(search: prepare.Search, found: study.TakingStudy) -> None:
    """Refuse trial folders that the study knows nothing of."""
    trials = search.folder.file("trials")
    begun = any(t.state.name != "WAITING" for t in found.get_trials(deepcopy=False))
    if not begun and trials.is_dir() and any(trials.iterdir()):
        raise UserError(
            f"{trials}: holds trials of another search, whose storage is gone; move "
            f"{search.folder.path} away, or choose another search.name"
        )
