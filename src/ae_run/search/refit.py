"""The best run's own folder: trained again, on validation images too, and scored on test."""

import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ae_run.errors import Interrupted
from ae_run.job import Job
from ae_run.run_folder import RunFolder
from ae_run.search import sessions, space
from ae_run.search.plan import Plan
from ae_run.search.space import Values
from ae_run.search.study import TrialQueue


def refit(plan: Plan, queue: TrialQueue) -> None:
    """Train, score and print, unless another process does it."""
    top = queue.ledger.look().best
    assert top is not None
    path = plan.folder.file(f"refit/{top.number}")
    claim = f"refit:{top.number}"
    path.parent.mkdir(exist_ok=True)
    me = sessions.owner(path.parent) | {"path": str(path)}
    held = ExitStack()
    with queue.opened.lock():
        known = queue.study.user_attrs.get(claim) or {}
        done = known and known["path"] == known.get("done")
        # Version 0.1.0 stored no folder.
        if known and not done and not sessions.is_dead({"folder": me["folder"]} | known):
            plan.folder.say(f"the best run is trained by {known['host']}: {known['path']}")
            return
        held.enter_context(RunFolder(path.parent).lock())
        queue.study.set_user_attr(claim, me)
    end: dict[str, Any] = {}
    try:
        with held:
            if plan.options.objective == "probe":
                _evaluate(plan, top.params, path)
            else:
                _train(plan, top.params, top.user_attrs["facts"], path)
        end = me | {"done": str(path)}
    except Interrupted as stop:
        stop.args = (f"{stop}; or the same command",)
        raise
    finally:
        with queue.opened.lock():
            queue.study.set_user_attr(claim, end)


def _train(plan: Plan, params: Values, facts: dict[str, Any], path: Path) -> None:
    """Run `task=train` in a folder that it resumes if it was stopped there."""
    from ae_run import tasks

    config = plan.config.changed(params)
    changed: Values = {}
    if plan.options.refit == "train+validation":
        changed |= {"data.validation_fraction": 0.0, "train.patience": None}
        if config.train.schedule == "constant":
            # Other schedules need all their epochs for the rate to fall. This one stops at the
            # best epoch, which could not be found without validation images.
            changed["train.epochs"] = facts["best_epoch"]
    folder = RunFolder.open(str(path), "search.refit") if path.is_dir() else None
    config = config.changed(changed | ({"run_dir": str(path)} if folder is None else {}))
    ended = folder is not None and folder.has("report.html")
    plan.folder.say(
        "\nthe best run:"
        if ended
        else f"\nthe best run again, on {plan.options.refit.replace('+', ' + ')}, "
        f"{config.train.epochs} epochs"
    )
    lines = [*plan.overrides, *space.overrides(config, params | changed)]
    tasks.train(Job(config, lines, plan.label, folder))


def _evaluate(plan: Plan, params: Values, path: Path) -> None:
    """Copy the encoder's folder, and score the best classifier there."""
    from ae_run import tasks

    assert plan.encoder is not None
    if not path.is_dir():
        new = path.with_name(f".{path.name}.tmp")
        shutil.rmtree(new, ignore_errors=True)
        keep = shutil.ignore_patterns("figures", "report.html", "*.npz", ".*", "*.pt")
        shutil.copytree(plan.encoder, new, ignore=keep)
        new.rename(path)
    folder = RunFolder(path)
    both = {"evaluate.probe.classifiers": ["softmax", "mlp"]}
    config = plan.config.changed(params | both)
    plan.folder.say("\nthe best classifier on test")
    lines = space.overrides(config, params)
    tasks.evaluate(Job(config, lines, plan.label, folder))
    for name, scores in folder.read_json("metrics.json").get("probe", {}).items():
        plan.folder.say(f"{name:<12}{scores['accuracy']:>12.4f} accuracy on test")
    plan.folder.say(f"evaluated  {shlex.quote(str(path))}")
