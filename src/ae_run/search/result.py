"""What a search found, as files: `trials.csv`, `search.json`, `experiment/best.yaml`, a page."""

import shlex
import warnings
from contextlib import suppress
from typing import Any

import optuna
import yaml
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from ae_run import components
from ae_run.errors import RunFailed
from ae_run.run_folder import write_bytes
from ae_run.search import figures, page, study, values
from ae_run.search.found import Found, Point
from ae_run.search.prepare import Search
from ae_run.search.progress import best

_LEAST_FOR_IMPORTANCES = 4
_STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def finish(
    search: Search, found: study.TakingStudy, seconds: float
) -> tuple[dict[str, Any], Found]:
    """Write everything down, and say the main numbers.

    Returns:
        What `page.write` takes, for when the best run has its scores.

    Raises:
        RunFailed: no trial is complete.
    """
    with FileLock(search.folder.file(".result.lock")):  # others may end at the same moment
        return _finish(search, found, seconds)


def _finish(
    search: Search, found: study.TakingStudy, seconds: float
) -> tuple[dict[str, Any], Found]:
    trials = [t for t in found.get_trials(deepcopy=False) if "dropped" not in t.user_attrs]
    last = study.slots(trials)
    folder = search.folder
    folder.write_csv("trials.csv", [_row(search, t, trials) for t in trials])
    top = best(last, search.options)
    if top is None:
        reasons = {str(t.user_attrs.get("reason")) for t in last if "reason" in t.user_attrs}
        raise RunFailed(
            f"{folder.path}: no trial is complete; " + ("; ".join(sorted(reasons)) or "time is up")
        )
    facts = _facts(search, last, top, seconds)
    facts["importances"], facts["importances_epoch"] = _importances(last)
    folder.write_json("search.json", facts)
    _write_best(search, top)
    for trial in last:
        if trial.number != top.number and not search.options.also_minimize:
            with suppress(FileNotFoundError):
                folder.file(f"trials/{trial.number}/model.safetensors").unlink()
    points = [_point(t) for t in last if t.state.is_finished()]
    data = Found(search.name, search.options, search.space, points, facts["importances"],
                 facts["importances_epoch"])  # fmt: skip
    figures.draw(data, folder, search.config.figures)
    page.write(folder, search, facts, data)
    folder.say(_summary(search, facts))
    return facts, data


def _row(search: Search, trial: FrozenTrial, trials: list[FrozenTrial]) -> dict[str, Any]:
    facts = trial.user_attrs.get("facts", {})
    died = any(t.user_attrs.get("retry_of") == trial.number for t in trials)
    state = "died" if died else _STATES.get(trial.state.name, trial.state.name.lower())
    scores = trial.values or [None]
    row: dict[str, Any] = {"number": trial.number, "state": state, "value": scores[0]}
    row |= dict(zip(search.options.also_minimize, scores[1:], strict=False))
    row |= {p.key: trial.params.get(p.key) for p in search.space}
    row |= {name: facts.get(name) for name in ("seconds", "epochs", "best_epoch", "worker")}
    return row | {
        "retry_of": trial.user_attrs.get("retry_of"),
        "reason": trial.user_attrs.get("reason"),
    }


def _point(trial: FrozenTrial) -> Point:
    return Point(
        number=trial.number,
        state=_STATES[trial.state.name],
        values=tuple(trial.values or ()),
        params=dict(trial.params),
        steps=dict(trial.intermediate_values),
        order=trial.datetime_complete.timestamp() if trial.datetime_complete else 0.0,
    )


def _facts(
    search: Search, last: list[FrozenTrial], top: FrozenTrial, seconds: float
) -> dict[str, Any]:
    counts = {name: sum(t.state.name == key for t in last) for key, name in _STATES.items()}
    spent = [t.user_attrs.get("facts", {}) for t in last]
    worked = sum(f.get("seconds", 0.0) for f in spent)
    saved_epochs, saved_seconds = 0, 0.0
    for trial, facts in zip(last, spent, strict=True):
        if trial.state == TrialState.PRUNED and facts.get("epochs"):
            planned = trial.params.get("train.epochs", search.epochs)
            left = max(0, planned - facts.get("stage_epochs", facts["epochs"]))
            saved_epochs += left
            saved_seconds += left * facts["seconds"] / facts["epochs"]
    sampler = sum(f.get("sampler_seconds", 0.0) for f in spent)
    mine = top.user_attrs["facts"]
    return {
        "name": search.name,
        "trials": len(last),
        **counts,
        "seconds": round(seconds, 1),
        "trial_seconds": round(worked, 1),
        "pruned_share": round(counts["pruned"] / len(last), 4),
        "epochs_saved": saved_epochs,
        "seconds_saved": round(saved_seconds, 1),
        "sampler_seconds": round(sampler, 3),
        "sampler_share": round(sampler / worked, 5) if worked else None,
        "best": {
            "number": top.number,
            "value": top.values[0],
            "others": dict(zip(search.options.also_minimize, top.values[1:], strict=False)),
            "params": top.params,
            "epochs": mine.get("epochs"),
            "best_epoch": mine.get("best_epoch"),
            "folder": str(search.folder.file(f"trials/{top.number}")),
            "command": command(search, top),
        },
    }


def command(search: Search, trial: FrozenTrial) -> str:
    """What repeats a trial, weights and all, and then scores it on test."""
    args = [*_config_dir(), *search.overrides, *values.overrides(search.raw, trial.params)]
    if search.options.objective == "probe":
        assert search.job.folder is not None
        return shlex.join(["ae-run", "task=evaluate", f"run={search.job.folder.path}", *args])
    if not any(arg.startswith("train.threads=") for arg in args):
        threads = trial.user_attrs["facts"].get("threads", search.threads)
        args.append(f"train.threads={threads}")
    return shlex.join(["ae-run", *args])


def _config_dir() -> list[str]:
    """The user's own folder of options, which the command must name too."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    if not GlobalHydra.instance().is_initialized() or not HydraConfig.initialized():
        return []
    sources = HydraConfig.get().runtime.config_sources
    return [arg for s in sources if s.provider == "command-line"
            for arg in ("--config-dir", str(s.path))]  # fmt: skip


def _write_best(search: Search, top: FrozenTrial) -> None:
    """`experiment/best.yaml`: every value of the best run, over the same options."""
    applied = values.apply(search.raw, top.params)
    groups = ("data", "corruption", "model", "train", "evaluate")
    lines = [
        "# @package _global_",
        f"# trial {top.number} of the search {search.name}: {top.values[0]:.6g} on validation",
        "defaults:",
    ]
    for group in groups:
        choice = search.job.choices.get(group)
        there = components.options(group)
        if choice not in there:  # the user's own: take the component's, all values follow
            choice = str(applied[group].get("name", "default"))
        lines.append(f"  - override /{group}: {choice}")
    content = {group: applied[group] for group in groups} | {"seed": applied["seed"]}
    content["train"] = {k: v for k, v in content["train"].items() if k != "threads"}
    text = "\n".join(lines) + "\n" + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    target = search.folder.file("experiment")
    target.mkdir(exist_ok=True)
    write_bytes(target / "best.yaml", text.encode())


def _importances(last: list[FrozenTrial]) -> tuple[dict[str, float], int | None]:
    """How much each parameter matters for the score, in shares of 1; none for too few trials.

    Pruned trials count too: they are those in which a parameter was badly wrong. So that all
    compare, each is taken at the last epoch that all of them reached, which is also returned.
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
        except (ValueError, RuntimeError):  # no parameter is in all trials, or scores are equal
            return {}, None
    return {key: round(float(share), 5) for key, share in shares.items()}, epoch


def _summary(search: Search, facts: dict[str, Any]) -> str:
    top = facts["best"]
    hours = f"{facts['seconds']:,.0f} s"
    share = facts["sampler_share"]
    lines = [
        "",
        f"{facts['trials']} trials in {hours}: {facts['complete']} complete, {facts['pruned']} "
        f"pruned ({facts['pruned_share']:.0%}), {facts['failed']} failed",
        f"pruning saved {facts['epochs_saved']:,} epochs, about {facts['seconds_saved']:,.0f} s of "
        f"{facts['seconds_saved'] + facts['trial_seconds']:,.0f} s",
        f"sampler: {facts['sampler_seconds']:.3g} s"
        + (f", {share:.2%} of the trials' time" if share is not None else ""),
        f"best: {top['value']:.6g} on validation, trial {top['number']}",
        *(f"  {key} = {value}" for key, value in top["params"].items()),
        "",
        f"repeat it  {top['command']}",
        f"or         ae-run --config-dir {shlex.quote(str(search.folder.path))} experiment=best",
        f"page       {search.folder.file('report.html')}",
        f"search     {search.folder.path}",
    ]
    return "\n".join(lines)
