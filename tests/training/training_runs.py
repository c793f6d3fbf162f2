"""Runs for the tests of training."""

from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from ae_run import components, data, models
from ae_run.config import validate
from ae_run.randomness import derive_seed
from ae_run.run_folder import RunFolder
from ae_run.training import Fit

CPU = torch.device("cpu")


def make(folder: str, *overrides: str, device: torch.device = CPU) -> Fit:
    """A run on a few digits."""
    base = ["data.limit=100", "train.epochs=3", "train.batch_size=32", "train.precision=float32"]
    with initialize_config_dir(str(components.conf_dir()), version_base="1.3"):
        raw = OmegaConf.to_container(compose("config", [*base, *overrides]), resolve=True)
    config = validate(raw)
    dataset = data.load(config.data)
    torch.manual_seed(derive_seed(config.seed, "init"))
    model = models.build(config.model, dataset.image_shape)
    torch.set_num_threads(config.train.threads or 1)
    Path(folder).mkdir(exist_ok=True)
    folder_ = RunFolder(Path(folder), quiet=True)
    return Fit(config, model, dataset, folder_, device, config.train.precision)
