"""`data.binarize=sample`: training images are drawn anew in each epoch."""

from contextlib import closing

import pytest
import torch
from training_runs import CPU, make

from ae_run.training import checkpoints, fit
from ae_run.training.step import Binarizer, TrainingImages

SAMPLE = "data.binarize=sample"


def drawn(run, epoch: int) -> torch.Tensor:
    images = TrainingImages(run.dataset, CPU)
    binarize = Binarizer(images)
    binarize.start_epoch(run.config.seed, epoch)
    return binarize(images.slice(0, 80))


def test_draws_differ_by_epoch_and_seed_and_keep_the_mean_of_each_pixel():
    run = make("a", SAMPLE)
    first = drawn(run, 1)
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(first, drawn(run, 1))
    assert not torch.equal(first, drawn(run, 2))
    assert not torch.equal(first, drawn(make("b", SAMPLE, "seed=1"), 1))
    mean = torch.stack([drawn(run, epoch) for epoch in range(1, 401)]).mean(0)
    grey = torch.from_numpy(run.dataset.grey[:]).float() / 255
    error = (grey * (1 - grey) / 400).sqrt()
    assert ((mean - grey).abs() <= 6 * error).all()
    assert (mean - grey).mean().abs() < 1e-3


def test_images_that_stay_are_left_alone():
    run = make("a", "data.binarize=fixed")
    assert torch.equal(drawn(run, 1), drawn(run, 2))
    assert torch.equal(drawn(run, 1), TrainingImages(run.dataset, CPU).slice(0, 80))


def test_targets_are_binary_the_input_is_the_corrupted_target_and_both_change(monkeypatch):
    run, seen = make("a", SAMPLE, "corruption=masking", "train.epochs=2"), []
    loss = run.model.loss
    monkeypatch.setattr(run.model, "loss", lambda x, y: seen.append((x, y)) or loss(x, y))
    list(fit(run))
    for x_in, target in seen:
        assert set(target.unique().tolist()) == {0.0, 1.0}
        assert ((x_in == target) | (x_in == 0)).all()
    epochs = torch.cat([y for _, y in seen]).flatten(1).sum(1).view(2, -1).sort().values
    assert not torch.equal(*epochs)


@pytest.mark.parametrize(
    "model",
    [
        "model=vae",
        "model=dense_ae model.pretrain_epochs=1",
        "model=randomized model.latent_dim=20 model.solver=ridge",
    ],
)
def test_a_resumed_run_is_the_same_bit_for_bit(model):
    options = (SAMPLE, *model.split())
    whole = list(fit(make("a", *options)))
    for _ in whole:
        with closing(fit(make("b", *options))) as loop:
            next(loop, None)
    mine, its = (checkpoints.load_resume(make(name, *options).folder) for name in "ab")
    assert mine[0].epoch == its[0].epoch == len(whole)
    for name, value in mine[1]["model"].items():
        assert torch.equal(value, its[1]["model"][name]), name
