"""The length of training: the data set's suggested steps, whatever its size."""

import json

import numpy as np
import pytest
import torch
import yaml
from helpers.configs import configured
from PIL import Image

from ae_run.data import Images
from ae_run.images import DeviceImages
from ae_run.training.length import steps_per_epoch, with_epochs
from ae_run.training.step import batches


@pytest.mark.parametrize("images", [1, 7, 8, 9, 16, 17, 18, 79])
def test_steps_are_those_that_an_epoch_takes(images):
    data = DeviceImages(Images(np.zeros((images, 1, 1, 1), np.uint8)), torch.device("cpu"))
    assert steps_per_epoch(images, 8) == len(batches(0, 1, data, 8))


def test_few_images_are_seen_in_more_epochs():
    config = configured("data=mnist")
    assert config.train.epochs is None
    assert with_epochs(config, 48_000).train.epochs == 10
    assert with_epochs(config, 4_800).train.epochs == round(3750 / 38)
    assert with_epochs(config, 10**9).train.epochs == 1


def test_a_number_of_epochs_is_kept():
    config = configured("data=mnist", "train.epochs=3")
    assert with_epochs(config, 10) is config


def test_the_run_folder_holds_the_number(cli):
    folder = cli("data.limit=2000", "data.suggested_steps=18", "evaluate=quick").folder
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    assert saved["train"]["epochs"] == 2
    assert json.loads((folder / "run.json").read_text())["epochs_done"] == 2


@pytest.mark.slow
def test_a_folder_of_240_images_ends_below_the_mean_image_by_default(cli, tmp_path):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    for number in range(240):
        x, y, radius = rng.integers((10, 10, 4), (22, 22, 10))
        far = [abs(columns - x) + abs(rows - y), np.maximum(abs(columns - x), abs(rows - y))]
        image = np.full((32, 32, 3), rng.integers(0, 80, 3), np.uint8)
        image[far[number % 2] < radius] = rng.integers(100, 255, 3)
        where = tmp_path / "pictures" / ("diamond", "square")[number % 2]
        where.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(where / f"{number}.png")
    result = cli("data=folder", "data.path=pictures", "evaluate=quick")
    metrics = json.loads((result.folder / "metrics.json").read_text())
    assert metrics["mse"] < 0.75 * metrics["baseline"]["mean"]["mse"]
