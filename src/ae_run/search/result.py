"""The result of a search as files: `trials.csv`, `search.json`, `experiment/best.yaml`, a page."""

import random
import shlex
import warnings
from contextlib import suppress
from typing import Any

import optuna
import yaml
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from ae_run import components
from ae_run.atomic import write_bytes
from ae_run.errors import RunFailed
from ae_run.run_folder import RunFolder
from ae_run.search import figures, page, space, study
from ae_run.search.plan import Plan
from ae_run.search.trials import MOST_FOR_IMPORTANCES, FinishedTrial, SearchData

_LEAST_FOR_IMPORTANCES = 4
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def finish(
    plan: Plan, queue: study.TrialQueue, seconds: float
) -> tuple[dict[str, Any], SearchData]:
    """Write all files, and print the main numbers.

    Returns:
        What `page.write` takes, to write the page again once the best run has its scores.

    Raises:
        RunFailed: no trial is complete.
    """
    with FileLock(plan.folder.file(".result.lock")):  # other processes may end at the same time
        return _finish(plan, queue, seconds)


def _finish(
    plan: Plan, queue: study.TrialQueue, seconds: float
) -> tuple[dict[str, Any], SearchData]:
    trials = [t for t in queue.trials() if "dropped" not in t.user_attrs and _begun(t)]
    last = list(filter(_begun, queue.slots()))
    folder = plan.folder
    again = {t.user_attrs.get("retry_of") for t in trials}
    folder.write_csv("trials.csv", [_row(plan, t, t.number in again) for t in trials])
    top = queue.ledger.best
    if top is None:
        reasons = {str(t.user_attrs.get("reason")) for t in last if "reason" in t.user_attrs}
        raise RunFailed(
            f"{folder.path}: no trial is complete; " + ("; ".join(sorted(reasons)) or "time is up")
        )
    facts = _facts(plan, last, top, seconds)
    facts["importances"], facts["importances_epoch"] = _importances(last)
    folder.write_json("search.json", facts)
    _write_best(plan, top)
    for trial in last:
        if trial.number != top.number and not plan.options.also_minimize:
            with suppress(FileNotFoundError):
                folder.file(f"trials/{trial.number}/model.safetensors").unlink()
    finished = [_finished(t) for t in last if t.state.is_finished()]
    data = SearchData(
        plan.name,
        plan.options,
        plan.space,
        finished,
        facts["importances"],
        facts["importances_epoch"],
        _monitor(plan, top),
    )
    figures.draw(data, folder, plan.config.figures)
    page.write(folder, plan, facts, data)
    folder.say(_summary(plan, facts, data))
    return facts, data


def _begun(trial: FrozenTrial) -> bool:
    return trial.state != TrialState.WAITING


def _monitor(plan: Plan, top: FrozenTrial) -> str:
    """The key of the score that trials were compared by, without its split."""
    run = RunFolder(plan.folder.file(f"trials/{top.number}"))
    column = run.read_json("run.json").get("monitor") if run.has("run.json") else None
    return str(column or "").removeprefix("validation_")


def _row(plan: Plan, trial: FrozenTrial, died: bool) -> dict[str, Any]:
    facts = trial.user_attrs.get("facts", {})
    state = "died" if died else _STATES.get(trial.state.name, trial.state.name.lower())
    scores = trial.values or [None]
    row: dict[str, Any] = {"number": trial.number, "state": state, "value": scores[0]}
    row |= dict(zip(plan.options.also_minimize, scores[1:], strict=False))
    row |= {p.key: trial.params.get(p.key) for p in plan.space}
    row |= {name: facts.get(name) for name in ("seconds", "epochs", "best_epoch", "worker")}
    return row | {
        "retry_of": trial.user_attrs.get("retry_of"),
        "reason": trial.user_attrs.get("reason"),
    }


def _finished(trial: FrozenTrial) -> FinishedTrial:
    return FinishedTrial(
        number=trial.number,
        state=_STATES[trial.state.name],
        values=tuple(trial.values or ()),
        params=dict(trial.params),
        steps=dict(trial.intermediate_values),
        order=trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0,
    )


def _facts(plan: Plan, last: list[FrozenTrial], top: FrozenTrial, seconds: float) -> dict[str, Any]:
    counts = {name: sum(t.state.name == key for t in last) for key, name in _STATES.items()}
    spent = [t.user_attrs.get("facts", {}) for t in last]
    worked = sum(f.get("seconds", 0.0) for f in spent)
    saved_epochs, saved_seconds = 0, 0.0
    for trial, facts in zip(last, spent, strict=True):
        if trial.state == TrialState.PRUNED and facts.get("epochs"):
            planned = trial.params.get("train.epochs", plan.epochs)
            left = max(0, planned - facts.get("stage_epochs", facts["epochs"]))
            saved_epochs += left
            saved_seconds += left * facts["seconds"] / facts["epochs"]
    mine = top.user_attrs["facts"]
    return {
        "name": plan.name,
        "trials": len(last),
        **counts,
        "seconds": round(seconds, 1),
        "trial_seconds": round(worked, 1),
        "pruned_share": round(counts["pruned"] / len(last), 4),
        "epochs_saved": saved_epochs,
        "seconds_saved": round(saved_seconds, 1),
        "best": {
            "number": top.number,
            "value": top.values[0],
            "others": dict(zip(plan.options.also_minimize, top.values[1:], strict=False)),
            "params": top.params,
            "epochs": mine.get("epochs"),
            "best_epoch": mine.get("best_epoch"),
            "folder": str(plan.folder.file(f"trials/{top.number}")),
            "command": command(plan, top),
        },
    }


def command(plan: Plan, trial: FrozenTrial) -> str:
    """The command that repeats a trial with the same weights, and scores it on test."""
    config = plan.config.changed(trial.params)
    args = [*_config_dir(), *plan.overrides, *space.overrides(config, trial.params)]
    if plan.options.objective == "probe":
        assert plan.encoder is not None
        return shlex.join(["ae-run", "task=evaluate", f"run={plan.encoder}", *args])
    if not any(arg.startswith("train.threads=") for arg in args):
        threads = trial.user_attrs["facts"].get("threads", plan.threads)
        args.append(f"train.threads={threads}")
    return shlex.join(["ae-run", *args])


def _config_dir() -> list[str]:
    """The user's own config folder as arguments of that command."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    if not GlobalHydra.instance().is_initialized() or not HydraConfig.initialized():
        return []
    sources = HydraConfig.get().runtime.config_sources
    return [
        arg
        for s in sources
        if s.provider == "command-line"
        for arg in ("--config-dir", str(s.path))
    ]


def _write_best(plan: Plan, top: FrozenTrial) -> None:
    """Write `experiment/best.yaml`: every value of the best run, on the same options."""
    applied = plan.config.changed(top.params).dump()
    groups = ("data", "corruption", "model", "train", "evaluate")
    lines = [
        "# @package _global_",
        f"# trial {top.number} of the search {plan.name}: {top.values[0]:.6g} on validation",
        "defaults:",
    ]
    for group in groups:
        choice = plan.job.choices.get(group)
        if choice not in components.options(group):  # the user's own; all its values follow
            choice = str(applied[group].get("name", "default"))
        lines.append(f"  - override /{group}: {choice}")
    content = {group: applied[group] for group in groups} | {"seed": applied["seed"]}
    content["train"] = {k: v for k, v in content["train"].items() if k != "threads"}
    text = "\n".join(lines) + "\n" + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    target = plan.folder.file("experiment")
    target.mkdir(exist_ok=True)
    write_bytes(target / "best.yaml", text.encode())


def _importances(last: list[FrozenTrial]) -> tuple[dict[str, float], int | None]:
    """The share of the score's variance that each parameter explains; {} for too few trials.

    Pruned trials count too, since a parameter was badly wrong in them. To be comparable, all are
    taken at the last epoch that all of them reached, which is returned with the shares. Of
    more than `MOST_FOR_IMPORTANCES` trials, as many are drawn at random.
    """
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    done = [t for t in last if t.state in states and t.values]
    epoch = None
    if any(t.state == TrialState.PRUNED for t in done):
        epoch = max(set.intersection(*(set(t.intermediate_values) for t in done)), default=None)
        if epoch is None:
            return {}, None
    if len(done) < _LEAST_FOR_IMPORTANCES:
        return {}, None
    if len(done) > MOST_FOR_IMPORTANCES:
        done = random.Random(0).sample(done, MOST_FOR_IMPORTANCES)
    at_epoch = optuna.create_study()
    for t in done:
        value = t.values[0] if epoch is None else t.intermediate_values[epoch]
        at_epoch.add_trial(
            optuna.create_trial(params=t.params, distributions=t.distributions, value=value)
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            shares = optuna.importance.get_param_importances(at_epoch, evaluator=evaluator)
        except (ValueError, RuntimeError):  # no parameter is in all trials, or all scores are equal
            return {}, None
    return {key: round(float(share), 5) for key, share in shares.items()}, epoch


def _summary(plan: Plan, facts: dict[str, Any], data: SearchData) -> str:
    top = facts["best"]
    hours = f"{facts['seconds']:,.0f} s"
    saved = [
        f"pruning saved {facts['epochs_saved']:,} epochs, about {facts['seconds_saved']:,.0f} s of "
        f"{facts['seconds_saved'] + facts['trial_seconds']:,.0f} s"
    ]
    lines = [
        "",
        f"{facts['trials']} trials in {hours}: {facts['complete']} complete, {facts['pruned']} "
        f"pruned ({facts['pruned_share']:.0%}), {facts['failed']} failed",
        *(saved if facts["pruned"] else ()),
        f"best {data.score}: {top['value']:.6g}, trial {top['number']} ({data.better})",
        *(f"  {key} = {value}" for key, value in top["params"].items()),
        "",
        f"repeat it  {top['command']}",
        f"or         {plan.best_from_file}",
        f"page       {plan.folder.file('report.html')}",
        f"search     {plan.folder.path}",
    ]
    return "\n".join(lines)
