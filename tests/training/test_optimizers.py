"""Learning-rate schedules and optimizers by name."""

import pytest
import torch
from helpers.configs import configured

from ae_run.config import TrainConfig
from ae_run.training import optimizers
from ae_run.training.optimizers import SCHEDULES


def settings(**changes: object) -> TrainConfig:
    return configured().train.model_copy(update=changes)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
def test_factors_lie_between_zero_and_one(name, steps, warmup):
    factors = [SCHEDULES[name](step, steps, warmup) for step in range(steps)]
    assert all(0 <= factor <= 1 for factor in factors)


@pytest.mark.parametrize("steps", [50, 1000])
def test_onecycle_is_torchs(steps):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=steps, pct_start=0.3, cycle_momentum=False
    )
    for step in range(steps):
        ours = SCHEDULES["onecycle"](step, steps, 0.3)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"], abs=3 / steps)
        optimizer.step()
        theirs.step() if step + 1 < steps else None


def test_cosine_rises_then_falls_to_zero():
    factors = [SCHEDULES["cosine"](step, 100, 0.2) for step in range(100)]
    assert factors.index(max(factors)) in (19, 20)
    assert factors[:20] == sorted(factors[:20])
    assert factors[20:] == sorted(factors[20:], reverse=True)
    assert factors[-1] < 0.01


@pytest.mark.parametrize("name", ["adam", "adamw", "adamax", "rmsprop", "sgd"])
def test_every_optimizer_descends_and_decays_weights(name):
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    config = settings(optimizer=name, lr=0.01, weight_decay=0.1)
    optimizer = optimizers.build(config, [weight], torch.device("cpu"))
    for _ in range(50):
        (weight * 0).sum().backward()  # no gradient but the decay's
        optimizer.step()
        optimizer.zero_grad()
    assert weight.abs().sum() < 3.0
