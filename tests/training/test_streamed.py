"""Wherever the images are, a run learns the same from them."""

import json

import numpy as np
import pytest
import torch
from helpers.configs import configured

from ae_run import corruptions
from ae_run import images as device_images
from ae_run.data import Images, _mapped
from ae_run.images import DeviceImages, pairs
from ae_run.randomness import KeyedNoise

CPU = torch.device("cpu")


@pytest.fixture
def path(tmp_path):
    """A data set in a file."""
    path = tmp_path / "mine.npz"
    images = np.random.RandomState(0).randint(0, 256, (300, 8, 8), np.uint8)
    np.savez(path, images=images, labels=np.arange(300) % 3)
    return path


def results(folder) -> tuple[bytes, str]:
    metrics = json.loads((folder / "metrics.json").read_text())
    return (folder / "model.safetensors").read_bytes(), json.dumps(metrics)


@pytest.mark.parametrize(
    "options",
    [
        ("model=vae",),
        ("model=denoising", "corruption=gaussian", "corruption.fixed=true"),
        ("model=randomized", "model.solver=ridge", "model.widths=[40]"),
    ],
    ids=["vae", "fixed noise", "closed form"],
)
def test_streamed_images_give_the_same_run_bit_for_bit(cli, tmp_path, path, options, monkeypatch):
    monkeypatch.setattr(device_images, "_AHEAD_BYTES", 3000)  # several groups of batches
    common = (
        "data=npz",
        f"data.path={path}",
        "model.latent_dim=3",
        "train.epochs=2",
        "train.batch_size=16",
        "evaluate=quick",
        "device=cpu",
    )
    for name, memory in (("held", "null"), ("streamed", "0")):
        run = (*common, *options, f"data.memory={memory}", f"run_dir={tmp_path / name}")
        assert cli(*run).code == 0
        where = {"held": "in memory", "streamed": "streamed from the disk"}[name]
        assert json.loads((tmp_path / name / "run.json").read_text())["images"] == where
        assert where in (tmp_path / name / "report.html").read_text()
    assert results(tmp_path / "held") == results(tmp_path / "streamed")


def test_a_large_file_is_scored_without_its_map_and_the_scores_are_the_same(
    cli, tmp_path, path, monkeypatch
):
    run = (
        "data=npz",
        f"data.path={path}",
        "model=denoising",
        "corruption=gaussian",
        "model.latent_dim=3",
        "train.epochs=1",
        "evaluate=quick",
        "evaluate.denoisers=20",
        "device=cpu",
        f"run_dir={tmp_path / 'run'}",
    )
    assert cli(*run).code == 0
    mapped, taken, take = results(tmp_path / "run"), [], np.take
    monkeypatch.setattr(_mapped, "_LARGE", 1000)
    monkeypatch.setattr(
        np, "take", lambda array, *a, **k: taken.append(array) or take(array, *a, **k)
    )
    assert cli("task=evaluate", f"run={tmp_path / 'run'}", "device=cpu").code == 0
    assert not [array for array in taken if isinstance(array, np.memmap)]
    assert results(tmp_path / "run") == mapped


@pytest.fixture
def streamed(tmp_path):
    """100 images on the disk, of which each has its number as its pixels."""
    array = np.arange(100, dtype=np.uint8)[:, None, None, None].repeat(64, 3).reshape(100, 1, 8, 8)
    np.save(tmp_path / "images.npy", array)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="c")
    return DeviceImages(Images(mapped, np.arange(99, -1, -1), streamed=True), CPU)


def numbers(batch: torch.Tensor) -> list[int]:
    return batch[..., 0, 0, 0].mul(255).round().int().tolist()


def test_batches_come_as_announced_and_otherwise_as_asked_for(streamed, monkeypatch):
    monkeypatch.setattr(device_images, "_AHEAD_BYTES", 64 * 25)
    order = list(torch.randperm(100, generator=torch.Generator().manual_seed(0)).split(10))
    streamed.announce(order)
    for index in order[:4]:
        assert numbers(streamed.take(index)) == (99 - index).tolist()
    other = torch.tensor([7, 7, 1])  # not announced
    assert numbers(streamed.take(other)) == [92, 92, 98]
    assert numbers(streamed.take(order[4])) == (99 - order[4]).tolist()


@pytest.mark.parametrize("streamed", [False, True])
def test_of_large_images_batches_are_smaller(streamed, tmp_path):
    array = np.random.RandomState(0).randint(0, 256, (50, 3, 64, 64), np.uint8)
    np.save(tmp_path / "images.npy", array)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="c")
    images = DeviceImages(Images(mapped, streamed=streamed), CPU)
    assert [len(batch) for batch in images.batches(80)] == [20, 20, 10]
    assert torch.equal(torch.cat([*images.batches(80)]), images.slice(0, 50))
    keys = images.keys()
    noisy = corruptions.of_split(configured("corruption=gaussian").corruption, images, keys)
    found = torch.cat([x_in for x_in, _ in pairs(images, noisy, keys, 80)])
    assert torch.equal(found, noisy(images.slice(0, 50), KeyedNoise(keys)))


def test_several_seeds_take_batches_of_their_own(streamed):
    order = list(torch.stack([torch.arange(100), torch.arange(99, -1, -1)]).split(30, 1))
    streamed.announce(order)
    for index in order:
        assert numbers(streamed.take(index)) == (99 - index).tolist()


def test_at_most_two_groups_are_read_ahead(streamed, monkeypatch):
    monkeypatch.setattr(device_images, "_AHEAD_BYTES", 64 * 10)
    read = []
    load = DeviceImages._read_group
    monkeypatch.setattr(
        DeviceImages, "_read_group", lambda self, group: read.append(group) or load(self, group)
    )
    order = list(torch.arange(100).split(5))
    streamed.announce(order)
    for i, index in enumerate(order):
        streamed.take(index)
        assert len(read) <= i // 2 + 2


def test_an_error_while_reading_ahead_reaches_the_training(streamed):
    order = list(torch.arange(100).split(10))
    streamed.announce(order)
    (file,) = (streamed._images.file,)
    with file.open("r+b") as opened:
        opened.truncate(200)
    with pytest.raises(Exception, match="was truncated"):
        streamed.take(order[0])
