"""Reconstructions of the same images while training."""

import numpy as np
import pytest
import torch
from evaluation_helpers import CPU, Function, make_dataset
from helpers.configs import configured

from ae_run.data import Dataset
from ae_run.run_folder import SNAPSHOTS, RunFolder
from ae_run.training import snapshots
from ae_run.training.snapshots import Snapshots


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def make(folder, dataset=None, *overrides):
    return Snapshots(configured(*overrides), dataset or make_dataset(), folder, CPU, torch.float32)


def model(factor):
    return Function(lambda x: factor * x)


def test_each_epoch_is_added_with_what_the_model_made_of_the_images(folder):
    taken = make(folder)
    for epoch, factor in ((2, 0.0), (4, 0.5), (6, 1.0)):
        taken.take(model(factor), epoch)
    found = snapshots.read(folder)
    assert found["epochs"].tolist() == [2, 4, 6]
    assert found["images"].shape == (3, 10, 1, 8, 8)
    assert found["images"].dtype == np.uint8
    assert not found["images"][0].any()
    assert np.array_equal(found["images"][2], found["target"])
    assert np.abs(found["images"][1] - found["target"] / 2).max() <= 0.5


def test_a_repeated_epoch_replaces_its_snapshot_and_those_after_it(folder):
    taken = make(folder)
    for epoch in (1, 2, 3):
        taken.take(model(0.0), epoch)
    resumed = make(folder)
    resumed.take(model(1.0), 2)
    found = snapshots.read(folder)
    assert found["epochs"].tolist() == [1, 2]
    assert np.array_equal(found["images"][1], found["target"])


def test_a_resumed_run_has_the_same_file_as_one_that_never_stopped(folder, tmp_path):
    straight = make(folder)
    for epoch in (1, 2, 3):
        straight.take(model(epoch / 4), epoch)
    (tmp_path / "other").mkdir()
    other = RunFolder(tmp_path / "other")
    for epochs in ((1, 2), (2, 3)):
        resumed = make(other)
        for epoch in epochs:
            resumed.take(model(epoch / 4), epoch)
    first, second = snapshots.read(folder), snapshots.read(other)
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_the_images_are_of_validation(folder, monkeypatch):
    data = make_dataset()
    monkeypatch.setattr(Dataset, "open_test", lambda _: pytest.fail("opens the test split"))
    make(folder, data).take(model(1.0), 1)
    assert np.array_equal(snapshots.read(folder)["target"], data.validation.images[:10])


def test_without_validation_they_are_of_training(folder):
    data = make_dataset(validation=0)
    make(folder, data).take(model(1.0), 1)
    assert np.array_equal(snapshots.read(folder)["target"], data.train.images[:10])


def test_the_runs_own_corruption_is_the_same_at_every_epoch(folder):
    taken = make(folder, None, "corruption=gaussian")
    taken.take(model(1.0), 1)
    taken.take(model(1.0), 2)
    found = snapshots.read(folder)
    assert np.array_equal(found["images"][0], found["images"][1])
    assert np.array_equal(found["images"][0], found["input"])
    assert not np.array_equal(found["input"], found["target"])


def test_a_snapshot_leaves_no_trace_on_training(folder):
    state = torch.random.get_rng_state()
    net = model(1.0)
    make(folder).take(net, 1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert net.weight.grad is None
    assert [path.name for path in folder.path.iterdir()] == [SNAPSHOTS]


def test_a_run_without_snapshots_has_none(folder):
    assert snapshots.read(folder) == {}
