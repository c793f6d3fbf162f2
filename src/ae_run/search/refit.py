"""The best run's own folder: trained again, on validation images too, and scored on test."""

import shlex
from typing import Any

from ae_run.config import validate
from ae_run.dispatch import Job
from ae_run.errors import Interrupted, UserError
from ae_run.run_folder import RunFolder
from ae_run.search import owners, result, study, values
from ae_run.search.prepare import Search
from ae_run.search.progress import best


def refit(search: Search, found: study.TakingStudy) -> None:
    """Train, score and print, unless it is done already or another machine does it."""
    from ae_run import tasks

    if search.options.refit == "none":
        return
    top = best(study.slots(found.get_trials(deepcopy=False)), search.options)
    assert top is not None
    path = search.folder.file(f"refit/{top.number}")
    claim = f"refit:{top.number}:{search.options.refit}"
    with found.opened.lock():
        known = found.user_attrs.get(claim)
        if known is not None and known.get("done") != str(path) and owners.is_dead(known) is not True:
            search.folder.say(f"{known['host']} trains the best run: {known['path']}")
            return
        found.set_user_attr(claim, owners.me() | {"path": str(path)})
    config = validate(raw := _raw(search, top.params, top.user_attrs["facts"], str(path)))
    lines = [*search.overrides, *values.overrides(search.raw, top.params), *_changes(search, raw)]
    folder = None
    if path.is_dir():
        folder = RunFolder.open(str(path), "search.refit")
    search.folder.say(
        f"\nthe best run again, on {search.options.refit.replace('+', ' + ')}, "
        f"{config.train.epochs} epochs:"
    )
    try:
        tasks.train(Job(config, raw, lines, search.job.label, folder))
    except BaseException:
        with found.opened.lock():
            found.set_user_attr(claim, {})
        raise
    with found.opened.lock():
        found.set_user_attr(claim, owners.me() | {"path": str(path), "done": str(path)})
