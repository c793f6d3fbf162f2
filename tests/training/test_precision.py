"""Number format and threads follow rules, not timings."""

import pytest
import torch
from torch import nn

from ae_run.composition import compose
from ae_run.config import validate
from ae_run.training import precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def settings(epochs: int, **values):
    config = validate(compose()).train
    return config.model_copy(update={"epochs": epochs, **values})


def net(channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, channels, 3), nn.ConvTranspose2d(channels, 1, 3))


@pytest.mark.parametrize("has", [True, False])
def test_only_wide_convolutions_gain_from_bfloat16(has, monkeypatch):
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: has)
    assert precision.choose("auto", net(precision.WIDE - 1), CPU) == "float32"
    assert precision.choose("auto", net(precision.WIDE), CPU) == ("bfloat16" if has else "float32")
    assert precision.choose("auto", net(precision.WIDE), CUDA) == "float32"


@pytest.mark.parametrize("name", ["float32", "bfloat16", "float64"])
def test_what_is_asked_for_is_taken(name):
    assert precision.choose(name, net(128), CPU) == name


def test_small_runs_take_one_thread():
    assert precision.threads(settings(100), 1_150, CPU) == 1
    assert precision.threads(settings(10), 48_000, CPU) == torch.get_num_threads()
    assert precision.threads(settings(100), 1_150, CUDA) == torch.get_num_threads()


def test_threads_that_are_asked_for_are_taken():
    assert precision.threads(settings(100, threads=3), 1_150, CPU) == 3


def test_a_container_is_not_given_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(precision, "_DEFAULT_THREADS", 64)
    monkeypatch.setattr(precision, "usable_cores", lambda: 2)
    assert precision.threads(settings(10), 48_000, CPU) == 2
