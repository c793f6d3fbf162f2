"""The best run's own folder: trained again, on validation images too, and scored on test."""

import shlex
import shutil
from pathlib import Path
from typing import Any

from ae_run.config import validate
from ae_run.dispatch import Job
from ae_run.errors import Interrupted
from ae_run.run_folder import RunFolder
from ae_run.search import owners, study, values
from ae_run.search.prepare import Search
from ae_run.search.progress import best
from ae_run.search.space import Values


def refit(search: Search, found: study.TakingStudy) -> None:
    """Train, score and print, unless it is done already or another machine does it."""
    top = best(study.slots(found.get_trials(deepcopy=False)), search.options)
    assert top is not None
    path = search.folder.file(f"refit/{top.number}")
    claim = f"refit:{top.number}"
    with found.opened.lock():
        known = found.user_attrs.get(claim) or {}
        mine = not known or owners.is_dead(known) is True or known["path"] == known.get("done")
        if mine:
            found.set_user_attr(claim, owners.me() | {"path": str(path)})
    if not mine:
        search.folder.say(f"the best run is trained by {known['host']}: {known['path']}")
        return
    done: str | None = None
    try:
        if search.options.objective == "probe":
            _evaluate(search, top.params, path)
        else:
            _train(search, top.params, top.user_attrs["facts"], path)
        done = str(path)
    except Interrupted as stop:
        stop.args = (f"{stop}; or the same command",)
        raise
    finally:
        with found.opened.lock():
            facts = owners.me() | {"path": str(path), "done": done}
            found.set_user_attr(claim, facts if done else {})


def _train(search: Search, params: Values, facts: dict[str, Any], path: Path) -> None:
    """The normal task, in a folder that it goes on in where it was stopped."""
    from ae_run import tasks

    raw = values.apply(search.raw, params)
    changed: Values = {}
    if search.options.refit == "train+validation":
        changed |= {"data.validation_fraction": 0.0, "train.patience": None}
        if raw["train"]["schedule"] == "constant":
            # The others need all their epochs for the rate to fall; this one stops at its best,
            # which without validation images nothing else would find.
            changed["train.epochs"] = facts["best_epoch"]
    raw = values.apply(raw, changed)
    folder = RunFolder.open(str(path), "search.refit") if path.is_dir() else None
    if folder is None:
        raw |= {"run_dir": str(path)}
        path.parent.mkdir(parents=True, exist_ok=True)
    config = validate(raw)
    ended = folder is not None and folder.has("report.html")
    search.folder.say(
        "\nthe best run:"
        if ended
        else f"\nthe best run again, on {search.options.refit.replace('+', ' + ')}, "
        f"{config.train.epochs} epochs"
    )
    lines = [*search.overrides, *values.overrides(search.raw, params | changed)]
    tasks.train(Job(config, raw, lines, search.label, folder))


def _evaluate(search: Search, params: Values, path: Path) -> None:
    """The encoder's folder copied, and scored there with the best classifier."""
    from ae_run import tasks

    assert search.job.folder is not None
    if not path.is_dir():
        new = path.with_name(f".{path.name}.tmp")
        shutil.rmtree(new, ignore_errors=True)
        keep = shutil.ignore_patterns("figures", "report.html", "*.npz", ".*", "*.pt")
        shutil.copytree(search.job.folder.path, new, ignore=keep)
        new.rename(path)
    folder = RunFolder(path)
    raw = values.apply(search.raw, params)
    raw["evaluate"]["probe"]["classifiers"] = ["softmax", "mlp"]
    search.folder.say("\nthe best classifier on test")
    lines = values.overrides(search.raw, params)
    tasks.evaluate(Job(validate(raw), raw, lines, search.label, folder))
    for name, scores in folder.read_json("metrics.json").get("probe", {}).items():
        search.folder.say(f"{name:<12}{scores['accuracy']:>12.4f} accuracy on test")
    search.folder.say(f"evaluated  {shlex.quote(str(path))}")
