"""A search from its command line to its files."""

import csv
import json
import re
import shlex
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.trial import TrialState
from search_helpers import FAST, SPACE, states, trials

from ae_run.run_folder import RunFolder

NAME = "search.name=s"
FOLDER = Path("outputs/search/s")


def rows() -> list[dict[str, str]]:
    with (FOLDER / "trials.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_a_search_leaves_its_results_and_the_best_run_repeats_to_the_same_bytes(cli):
    result = cli(
        *FAST,
        SPACE,
        NAME,
        "search.workers=2",
        "search.refit=train+validation",
        "search.pruner=none",
    )
    assert result.code == 0, result.err
    assert states(trials()) == [TrialState.COMPLETE] * 6
    assert len(rows()) == 6
    best = min(rows(), key=lambda row: float(row["value"]))
    for name in ("history", "slices", "parallel", "importances", "intermediate"):
        assert (FOLDER / f"figures/{name}.png").stat().st_size > 0, name
    page = (FOLDER / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 2 * 5, "light and dark"
    assert "http://" not in page.replace("http://www.w3.org", "")
    linked = FOLDER / re.search(r'href="(refit/[^"]+)"', page)[1]
    assert linked.is_file()
    mse = json.loads((linked.parent / "metrics.json").read_text())["mse"]
    assert f"<td>{mse:.5f}</td>" in page
    found = json.loads((FOLDER / "search.json").read_text())
    assert found["best"]["number"] == int(best["number"])
    assert found["best"]["value"] == float(best["value"])
    assert "0 pruned (0%)" in result.out

    refit = RunFolder(FOLDER / "refit" / best["number"])
    assert refit.read_json("run.json")["status"] == "finished"
    assert refit.read_json("run.json")["data"]["validation"] == 0
    assert refit.has("metrics.json")
    trial = RunFolder(FOLDER / "trials" / best["number"])
    assert trial.read_yaml("config.yaml")["search"] is None
    assert trial.read_json("run.json")["data"]["test"] == 0
    assert not list(FOLDER.glob("trials/*/metrics.json"))
    assert not list(FOLDER.glob("trials/*/resume.pt"))
    assert len(list(FOLDER.glob("trials/*/model.safetensors"))) == 1
    assert len(list(FOLDER.glob("trials/*/history.csv"))) == 6

    weights = trial.file("model.safetensors").read_bytes()
    command = next(line for line in result.out.splitlines() if line.startswith("repeat it"))
    args = shlex.split(command)[3:]
    assert cli(*args, "run_dir=again").code == 0
    assert Path("again/model.safetensors").read_bytes() == weights
    assert cli("--config-dir", str(FOLDER), "experiment=best", "run_dir=file").code == 0
    assert Path("file/model.safetensors").read_bytes() == weights


def test_without_a_number_all_trials_and_their_command_have_the_same_epochs(cli):
    data = [option for option in FAST if not option.startswith("train.")]
    space = "search.space=[train.batch_size=choice(8,16)]"
    options = ("data.suggested_steps=2", NAME, "search.n_trials=2", "search.refit=none")
    result = cli(*data, "task=search", space, "search.sampler=grid", "search.pruner=none", *options)
    assert result.code == 0, result.err
    trials = Path("outputs/search").glob("*/trials/*/history.csv")
    assert [len(path.read_text().splitlines()) - 1 for path in trials] == [2, 2]
    assert "train.epochs=2" in result.out


def test_the_same_command_resumes_and_a_larger_total_adds_the_difference(cli):
    line = (*FAST, SPACE, NAME, "search.workers=1", "search.n_trials=2")
    assert cli(*line).code == 0
    first = rows()
    assert cli(*line).code == 0
    assert rows() == first
    assert cli(*line, "search.n_trials=4").code == 0
    assert rows()[:2] == first
    assert len(rows()) == 4
    assert len({row["train.lr"] for row in rows()}) == 4
    assert cli(*line, "search.n_trials=2").code == 0
    assert len(rows()) == 4


def test_a_search_ends_while_another_machine_trains_the_best_run_again(cli):
    line = (*FAST, SPACE, NAME, "search.n_trials=2")
    assert cli(*line).code == 0
    best = min(rows(), key=lambda row: float(row["value"]))["number"]
    backend = optuna.storages.journal.JournalFileBackend(str(FOLDER / "journal.log"))
    study = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(backend))
    there = {"host": "other", "pid": 1, "folder": "/there/refit", "path": f"/there/refit/{best}"}
    study.set_user_attr(f"refit:{best}", there)
    result = cli(*line, "search.refit=train")
    assert result.code == 0, result.err
    assert f"the best run is trained by other: /there/refit/{best}" in result.out
    assert not list(FOLDER.glob("refit/*"))


def test_another_search_under_the_same_name_is_refused_and_told_apart(cli):
    line = (*FAST, SPACE, NAME, "search.n_trials=1", "search.pruner=none")
    assert cli(*line).code == 0
    for change, told in {
        "train.epochs=5": "train.epochs is 4 there, 5 here",
        "data.limit=81": "data.limit is 80 there, 81 here",
        "seed=1": "seed is 0 there, 1 here",
        "search.space=[train.lr=log(1e-4,1e-2)]": "search.space train.lr is log(0.0001,0.1) there",
    }.items():
        result = cli(*line, change)
        assert result.code == 2
        assert told in result.err
        assert "another search.name" in result.err
    assert cli(*line, "train.threads=1", "search.n_trials=2", "search.sampler=tpe").code == 0
    (FOLDER / "journal.log").unlink()
    result = cli(*line)
    assert result.code == 2
    assert "holds trials of another search" in result.err


def test_conditions_hold_and_lists_are_searched_item_by_item(cli):
    space = (
        "search.space=[train.optimizer=choice(adam,sgd),model.channels.1=int(4,9),"
        "train.momentum=float(0.5,0.9) if train.optimizer=sgd]"
    )
    assert cli(*FAST, space, NAME, "train.epochs=1").code == 0
    for row in rows():
        assert bool(row["train.momentum"]) == (row["train.optimizer"] == "sgd")
        config = RunFolder(FOLDER / "trials" / row["number"]).read_yaml("config.yaml")
        assert config["model"]["channels"][::2] == [8, 32]
        assert config["model"]["channels"][1] == int(row["model.channels.1"])
    assert {row["train.optimizer"] for row in rows()} == {"adam", "sgd"}


@pytest.mark.slow
def test_a_grid_visits_every_point_once(cli):
    space = "search.space=[train.lr=choice(1e-3,1e-2),model.latent_dim=int(2,6,step=2)]"
    result = cli(
        *FAST,
        space,
        NAME,
        "train.epochs=1",
        "search.sampler=grid",
        "search.n_trials=99",
        "search.workers=2",
    )
    assert result.code == 0, result.err
    points = {(row["train.lr"], row["model.latent_dim"]) for row in rows()}
    assert len(rows()) == len(points) == 6


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "nsga2"])
@pytest.mark.slow
def test_samplers_by_name(sampler, cli):
    # NSGA-II crosses its parents, here as many as random trials, and may repeat one of them.
    random = 6 if sampler == "nsga2" else 2
    options = (f"search.random_trials={random}", f"search.sampler={sampler}", "train.epochs=1")
    assert cli(*FAST, SPACE, NAME, *options).code == 0
    assert len({row["train.lr"] for row in rows()}) >= (3 if sampler == "nsga2" else 6)


@pytest.mark.parametrize("pruner", ["median", "hyperband", "successive_halving"])
@pytest.mark.slow
def test_a_trial_that_starts_badly_is_pruned_before_its_last_epoch(pruner, cli):
    # Learning rates as from a lottery: nearly nothing, or a good one.
    line = (
        "data.limit=300",
        "train.epochs=6",
        "train.schedule=constant",
        "search.workers=1",
        "search.n_trials=12",
        "search.startup_trials=2",
        "search.random_trials=99",
        f"search.pruner={pruner}",
        "search.space=[train.lr=log(1e-7,1e-1)]",
    )
    result = cli(*FAST, NAME, *line)
    assert result.code == 0, result.err
    pruned = [row for row in rows() if row["state"] == "pruned"]
    assert pruned
    for row in pruned:
        assert 1 <= int(row["epochs"]) < 6
        folder = RunFolder(FOLDER / "trials" / row["number"])
        assert len(folder.read_csv("history.csv")) == int(row["epochs"])
        assert folder.read_json("run.json")["status"] == "pruned"
        if pruner == "median":
            assert int(row["epochs"]) > 1  # six epochs warm up for one
    share = len(pruned) / 12
    saved = sum(6 - int(row["epochs"]) for row in pruned)
    assert f"{len(pruned)} pruned ({share:.0%})" in result.out
    assert f"pruning saved {saved} epochs" in result.out


def test_several_objectives_draw_the_pareto_front(cli):
    line = (
        "search.also_minimize=[code_size,parameters]",
        "search.pruner=none",
        "search.sampler=nsga2",
        "search.random_trials=3",
    )
    result = cli(*FAST, SPACE, NAME, *line)
    assert result.code == 0, result.err
    assert (FOLDER / "figures/pareto.png").is_file()
    for row in rows():
        assert float(row["code_size"]) == int(row["model.latent_dim"])
        assert float(row["parameters"]) > 0


def test_failures_inside_a_trial_fail_the_trial_with_its_reason(cli):
    space = "search.space=[train.lr=choice(1e-3,1e30),model.latent_dim=int(2,9)]"
    line = (*FAST, NAME, "train.optimizer=sgd", "train.schedule=constant", "search.n_trials=8")
    result = cli(*line, space)
    assert result.code == 0, result.err
    failed = [row for row in rows() if row["state"] == "failed"]
    assert 0 < len(failed) < 8
    for row in failed:
        assert row["train.lr"] == "1e+30"
        assert "not finite" in row["reason"]
    assert {row["train.lr"] for row in rows() if row["state"] == "complete"} == {"0.001"}


def test_a_search_whose_first_trials_all_fail_stops_and_says_why(cli):
    space = "search.space=[train.lr=log(1e29,1e30)]"
    result = cli(
        *FAST,
        NAME,
        space,
        "train.optimizer=sgd",
        "train.schedule=constant",
        "search.n_trials=30",
        "search.workers=1",
    )
    assert result.code == 1
    assert "the first 5 trials all failed" in result.err
    assert "not finite" in result.err
    assert [state for state in states(trials()) if state != TrialState.WAITING] == (
        [TrialState.FAIL] * 5
    )


@pytest.mark.slow
def test_a_timeout_is_a_total_and_starts_no_trial_after_it(cli):
    line = (*FAST, SPACE, NAME, "search.n_trials=500", "search.workers=1")
    result = cli(*line, "search.timeout=6")
    assert result.code == 0, result.err
    done = states(trials()).count(TrialState.COMPLETE)
    assert 0 < done < 500
    assert cli(*line, "search.timeout=6").code == 0
    assert states(trials()).count(TrialState.COMPLETE) == done
    assert "RUNNING" not in {t.state.name for t in trials()}


@pytest.mark.slow
def test_a_probe_search_tunes_a_classifier_on_frozen_codes(cli):
    assert cli("data.limit=300", "train.epochs=2", "evaluate=quick", "run_dir=encoder").code == 0
    before = Path("encoder/metrics.json").read_bytes()
    line = (
        "task=search",
        "search=notmnist_classifier",
        "run=encoder",
        "search.n_trials=3",
        NAME,
        "evaluate.probe.mlp.epochs=4",
        "search.workers=1",
    )
    result = cli(*line)
    assert result.code == 0, result.err
    best = max(rows(), key=lambda row: float(row["value"]))
    assert 0 < float(best["value"]) <= 1
    found = json.loads((FOLDER / "search.json").read_text())
    assert found["best"]["number"] == int(best["number"])
    refit = RunFolder(FOLDER / "refit" / best["number"])
    mlp = refit.read_json("metrics.json")["probe"]["mlp"]
    assert mlp["validation_accuracy"] == float(best["value"])
    assert 0 <= mlp["accuracy"] <= 1
    assert Path("encoder/metrics.json").read_bytes() == before
    assert cli(*line).code == 0
    assert cli(*line, "train.lr=1e-3").code == 2
    assert "evaluate.probe.mlp." in cli(*line, "search.space=[train.lr=log(1e-4,1)]").err


@pytest.mark.parametrize("name", ["denoising", "vae"])
@pytest.mark.slow
def test_a_best_file_brings_its_own_options(name, cli):
    assert cli(*FAST, f"search={name}", NAME, "search.n_trials=1", "train.epochs=1").code == 0
    content = yaml.safe_load((FOLDER / "experiment/best.yaml").read_text())
    result = cli("--config-dir", str(FOLDER), "experiment=best", "run_dir=again")
    assert result.code == 0, result.err
    config = yaml.safe_load(Path("again/config.yaml").read_text())
    assert config["model"] == content["model"]
    assert config["corruption"]["name"] == {"denoising": "gaussian", "vae": "none"}[name]


def test_a_model_of_several_stages_is_judged_by_its_last_one(cli):
    result = cli(
        *FAST,
        NAME,
        "model=dense_ae",
        "model.widths=[16]",
        "model.pretrain_epochs=3",
        "train.epochs=2",
        "search.space=[train.lr=log(1e-3,1e-2)]",
        "search.n_trials=1",
        "search.refit=none",
    )
    assert result.code == 0, result.err
    (trial,) = trials()
    assert list(trial.intermediate_values) == [1, 2]
    facts = trial.user_attrs["facts"]
    assert facts["epochs"] == 2 * 3 + 2
    assert facts["best_epoch"] <= 2
    assert trial.value == min(trial.intermediate_values.values())
