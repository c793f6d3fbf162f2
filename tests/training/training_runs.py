"""Runs for the tests of training."""

from pathlib import Path

import torch
from helpers.configs import configured

from ae_run import data, models
from ae_run.randomness import derive_seed
from ae_run.run_folder import RunFolder
from ae_run.training import Run

CPU = torch.device("cpu")


def make(folder: str, *overrides: str, device: torch.device = CPU) -> Run:
    """A run on a few digits."""
    base = ["data.limit=100", "train.epochs=3", "train.batch_size=32", "train.precision=float32"]
    config = configured(*base, *overrides)
    dataset = data.load(config.data)
    torch.manual_seed(derive_seed(config.seed, "init"))
    model = models.build(config.model, dataset.image_shape)
    torch.set_num_threads(config.train.threads or 1)
    Path(folder).mkdir(exist_ok=True)
    folder_ = RunFolder(Path(folder), quiet=True)
    return Run(config, model, dataset, folder_, device, config.train.precision)
