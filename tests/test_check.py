"""`task=check`: what a run would do, before any training."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.configs import configured
from PIL import Image

from ae_run import models
from ae_run.check import _layers

RUN = ("task=check", "data.limit=80", "train.epochs=7", "train.batch_size=32")


def test_a_check_shows_data_model_steps_time_and_memory_and_trains_nothing(cli):
    result = cli(*RUN)
    assert result.code == 0, result.err
    for text in (
        "160 images of 1 × 28 × 28",
        "64 train, 16 validation, 80 test",
        "duplicates none test in train or validation",
        "classes    10",
        "train: 7 epochs of 2 steps, 14 steps in all",
        "time       about ",
        "memory     about ",
    ):
        assert text in result.out
    assert [path.name for path in Path("outputs").iterdir()] == ["check-digits-conv_ae.png"]


def test_a_quiet_check_prints_nothing(cli):
    result = cli("-q", *RUN)
    assert (result.code, result.out) == (0, "")
    assert Path("outputs/check-digits-conv_ae.png").is_file()


def test_a_check_names_files_that_are_no_readable_images_or_in_no_class(cli, tmp_path):
    for i in range(12):
        folder = tmp_path / "my pics" / f"class {i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9), 20 * i, np.uint8)).save(folder / f"{i}.png")
    (tmp_path / "my pics/class 0/torn.png").write_bytes(b"no picture")
    (tmp_path / "my pics/loose.JPG").write_bytes(b"a picture, perhaps")
    (tmp_path / "my pics/notes.txt").write_text("none")
    result = cli("task=check", "data=folder", f"data.path={tmp_path}/my pics", "train.epochs=1")
    assert result.code == 0, result.err
    line = next(line for line in result.out.splitlines() if line.startswith("skipped"))
    assert line.startswith("skipped    2 files: ")
    assert "torn.png" in line
    assert "loose.JPG (in no class folder)" in line


def test_the_counts_of_classes_add_up_to_the_splits(cli):
    pairs = re.findall(r"^ +\d: (\d+) \+ (\d+)$", cli(*RUN).out, re.MULTILINE)
    train, validation = np.array(pairs, int).sum(0)
    assert (train, validation) == (64, 16)


def test_the_picture_shows_the_input_above_its_target(cli):
    assert cli(*RUN, "model=denoising").code == 0
    picture = np.asarray(Image.open("outputs/check-digits-denoising.png").convert("L"), float)
    height = (picture.shape[0] + 6) // 8
    noisy, clean, _, other = (picture[height * i : height * (i + 1) - 6] for i in range(4))
    assert np.abs(noisy - clean).mean() > 1
    assert np.corrcoef(noisy.ravel(), clean.ravel())[0, 1] > 0.8
    assert np.corrcoef(noisy.ravel(), other.ravel())[0, 1] < 0.8


@pytest.mark.parametrize("model", ["conv_ae", "dense_ae", "vae", "contractive", "randomized"])
def test_layers_are_listed_with_the_shapes_that_images_have_there(model):
    config = configured(f"model={model}")
    net = models.build(config.model, (1, 28, 28), 0.5)
    layers = list(_layers(net, torch.rand(2, 1, 28, 28)))
    assert layers
    code = config.model.latent_dim
    if model != "randomized":  # its layers are matrices that are not trained
        # A variational encoder gives mean and variance.
        assert any(layer.values in (code, 2 * code) for layer in layers)
    shown = {layer.name: layer.parameters for layer in layers}
    assert sum(shown.values()) <= sum(p.numel() for p in net.parameters())


def test_every_stage_is_listed(cli):
    out = cli(*RUN, "model=dense_ae", "model.pretrain_epochs=2", "model.widths=[30]").out
    assert out.count("\nstage ") >= 2
    assert "2 epochs of 2 steps" in out
