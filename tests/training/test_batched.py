"""Several seeds as one batched model: each learns what it learns alone."""

import json
import re

import pytest
import torch
from command_line import FAST
from training_runs import make

from ae_run.models import dropout
from ae_run.training import batched, checkpoints, fit
from ae_run.training.batched import fit_batched, why_not

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
SEEDS = (0, 1, 2)
EXACT = ("train.precision=float64", "train.epochs=7")  # 80 images: 3 steps an epoch, 21 in all


def runs(name, *options):
    return [make(f"{name}{seed}", f"seed={seed}", *options) for seed in SEEDS]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("model.dropout=0.3", "corruption=gaussian"),
        ("model=vae",),
        ("model=vae", "model.likelihood=gaussian", "corruption=occlusion"),
        ("model=vae", "model.objective=iwae", "model.importance_samples=3", "data.binarize=sample"),
        ("model=dense_ae", "model.dropout=0.1", "train.optimizer=sgd", "train.clip_norm=0.05"),
        ("model=wae",),
        ("model=sparse", "model.anneal_steps=10"),
        ("model=denoising", "model.batch_norm=true", "train.optimizer=adamax"),
    ],
)
@pytest.mark.slow
def test_in_float64_every_seed_has_the_losses_that_it_has_alone(options):
    # With a step per epoch, the history shows the loss of every step.
    options = (*EXACT, "train.epochs=20", "train.batch_size=80", *options)
    alone = [list(fit(run)) for run in runs("alone", *options)]
    rows = list(fit_batched(runs("together", *options)))
    for i in range(len(SEEDS)):
        for one, found in zip(alone[i], rows, strict=True):
            for name in ("train_total", "validation_mse", "lr"):
                assert found[i][name] == pytest.approx(one[name], rel=1e-9), (i, name)


def test_folders_hold_what_a_run_of_one_seed_leaves():
    options = (*EXACT, "model.batch_norm=true")
    alone, group = runs("alone", *options), runs("together", *options)
    for run in alone:
        list(fit(run))
    list(fit_batched(group))
    for one, other in zip(alone, group, strict=True):
        mine, its = (checkpoints.load_resume(run.folder) for run in (one, other))
        assert mine[0].epoch == its[0].epoch == 7
        assert mine[0].best_epoch == its[0].best_epoch
        torch.testing.assert_close(mine[1]["model"], its[1]["model"], rtol=1e-7, atol=1e-9)
        for key, state in mine[1]["optimizer"]["state"].items():
            torch.testing.assert_close(state, its[1]["optimizer"]["state"][key])
        assert len(one.folder.read_csv("history.csv")) == len(other.folder.read_csv("history.csv"))


def test_a_group_goes_on_where_it_was_stopped_and_those_behind_catch_up():
    whole = list(fit_batched(runs("whole", *EXACT)))
    stopped = fit_batched(runs("stopped", *EXACT))
    for _ in range(3):
        next(stopped)
    stopped.close()
    # As if the program had been killed while the epoch's states were written one by one.
    ahead = fit(make("stopped0", "seed=0", *EXACT))
    next(ahead)
    ahead.close()
    rest = list(fit_batched(runs("stopped", *EXACT)))
    assert [row[0]["epoch"] for row in rest] == [5, 6, 7]
    for one, other in zip(whole[4:], rest, strict=True):
        for i in range(len(SEEDS)):
            assert other[i]["train_total"] == pytest.approx(one[i]["train_total"], rel=1e-9)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("model=randomized",), "stages"),
        (("model=dense_ae", "model.pretrain_epochs=1"), "stages"),
        (("model=contractive",), "gradients"),
        (("train.patience=3",), "patience"),
        (("train.snapshot_every=1",), "snapshot"),
    ],
)
def test_what_cannot_be_batched_is_told(options, reason):
    assert reason in why_not(make("a", *options))
    assert why_not(make("b")) is None


def test_a_loss_that_is_not_finite_stops_the_group_and_keeps_what_was_finished():
    group = runs("a", "train.lr=1e30", "train.optimizer=sgd", "train.schedule=constant")
    with pytest.raises(Exception, match="not finite"):
        list(fit_batched(group))


def test_dropout_keeps_the_mean_and_drops_its_share():
    torch.manual_seed(0)
    x = torch.ones(40, 8, 10, 10).to(memory_format=torch.channels_last)
    y = dropout(x, 0.25, training=True)
    assert (y == 0).double().mean().item() == pytest.approx(0.25, abs=0.01)
    assert y.mean().item() == pytest.approx(1, abs=0.02)
    assert dropout(x, 0.25, training=False) is x


def test_the_command_sums_up_several_seeds(cli):
    done = cli(*FAST, "train.replicas=3", "seed=5")
    assert done.code == 0, done.err
    assert "over 3 seeds" in done.out
    assert re.search(r"^MSE +0\.\d{5} ± 0\.\d{5} ", done.out, re.MULTILINE)
    summary = json.loads((done.folder / "replicas.json").read_text())
    assert summary["seeds"] == [5, 6, 7]
    values = summary["scores"]["mse"]["values"]
    assert len(set(values)) == 3
    alone = cli(*FAST, "seed=7")
    assert json.loads((alone.folder / "metrics.json").read_text())["mse"] == values[2]
    assert "Over 3 seeds" in (done.folder / "report.html").read_text()
    before = (done.folder / "replicas.json").read_bytes()
    again = cli(f"resume={done.folder}")
    assert again.code == 0, again.err
    assert (done.folder / "replicas.json").read_bytes() == before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("train.replicas=0",), "train.replicas=0"),
        (("train.replicas=2", "seed=4294967295"), "largest is 4294967295"),
        (("train.replicas=2", "task=search"), "one seed per trial"),
    ],
)
def test_impossible_numbers_of_seeds_are_refused(args, words, cli):
    done = cli(*args)
    assert done.code == 2
    assert words in done.err


@needs_gpu
def test_on_a_gpu_the_group_is_captured_and_close_to_each_seed_alone():
    gpu = torch.device("cuda")
    group = [make(f"g{seed}", f"seed={seed}", device=gpu) for seed in SEEDS]
    rows = list(batched.fit_batched(group))
    for i, seed in enumerate(SEEDS):
        alone = list(fit(make(f"a{seed}", f"seed={seed}", device=gpu)))
        assert rows[-1][i]["train_total"] == pytest.approx(alone[-1]["train_total"], rel=0.05)
