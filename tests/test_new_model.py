"""A model is one Python file and one YAML file; training, search and evaluation need no edit.

The model is as odd as the contract allows: a stage that trains a part of it, buffers that a stage
sets and that training changes, and a loss that takes a gradient of its own.
"""

import json
from pathlib import Path

import pytest
from command_line import FAST, run_process

pytestmark = pytest.mark.slow

MODEL = '''
"""An encoder with a running mean, trained in two stages."""

import math

import torch
from torch import Tensor, nn

from ae_run.models import Autoencoder, LossTerms, Stage, mse
from ae_run.schema import ModelConfig


class Config(ModelConfig):
    slope: float


class Model(Autoencoder):
    def __init__(self, config, image_shape):
        super().__init__(config, image_shape)
        pixels = math.prod(image_shape)
        self.encoder = nn.Linear(pixels, config.latent_dim)
        self.decoder = nn.Linear(config.latent_dim, pixels)
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("stage", torch.tensor(0))
        self.slope = config.slope

    @property
    def batchable(self):
        return False

    def encode(self, x):
        return self.encoder(x.flatten(1) - self.mean)

    def decode_logits(self, z):
        return self.decoder(z).view(-1, *self.image_shape)

    def stages(self):
        return [
            Stage("decoder", self.decoder_loss, [*self.decoder.parameters()], epochs=1,
                  begin=lambda: self.stage.fill_(1)),
            Stage("all", self.loss, [*self.parameters()], begin=lambda: self.stage.fill_(2)),
        ]

    def decoder_loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        assert self.stage == 1
        self.mean.lerp_(x_in.flatten(1).mean(0), 0.1)
        error = mse(self.reconstruct(x_in), target)
        return LossTerms(error, {"error": error})

    def loss(self, x_in: Tensor, target: Tensor) -> LossTerms:
        assert self.stage == 2
        x_in = x_in.detach().requires_grad_()
        error = mse(self.reconstruct(x_in), target)
        (gradient,) = torch.autograd.grad(error.sum(), x_in, create_graph=True)
        steepness = gradient.square().flatten(1).sum(1)
        return LossTerms(error + self.slope * steepness, {"error": error, "steepness": steepness})
'''
YAML = "# odd\nname: odd\nlatent_dim: 4\nslope: 0.01\n"


@pytest.fixture
def command(tmp_path: Path):
    """Run the program with a folder that has the model."""
    (tmp_path / "mine/models").mkdir(parents=True)
    (tmp_path / "mine/conf/model").mkdir(parents=True)
    (tmp_path / "mine/models/odd.py").write_text(MODEL)
    (tmp_path / "mine/conf/model/odd.yaml").write_text(YAML)

    def run(*args: str) -> str:
        done = run_process(["-m", "ae_run", *args, "code=mine"])
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_trains_resumes_replicates_evaluates_and_searches(command, tmp_path):
    options = ("model=odd", "data.limit=80", "train.batch_size=32")
    command(*options, "train.epochs=2", "train.replicas=2", "run_dir=a", "evaluate.points=50")
    assert "over 2 seeds" in (tmp_path / "a/log.txt").read_text()
    metrics = json.loads((tmp_path / "a/metrics.json").read_text())
    assert metrics["latent_dim"] == 4
    assert (tmp_path / "a/report.html").is_file()
    stages = (tmp_path / "a/history.csv").read_text()
    assert stages.count(",decoder,") == 1
    assert stages.count(",all,") == 2
    command("task=evaluate", "run=a", "evaluate=quick")
    again = json.loads((tmp_path / "a/metrics.json").read_text())
    assert again["mse"] == metrics["mse"]
    fast = [option for option in FAST if not option.startswith("train.epochs")]
    out = command(
        "task=search",
        "model=odd",
        *fast,
        "train.epochs=2",
        "search.n_trials=3",
        "search.workers=2",
        "search.name=s",
        "search.space=[model.slope=log(1e-4,1e-1)]",
    )
    assert "3 trials" in out or "3 complete" in out
    assert (tmp_path / "outputs/search/s/search.json").is_file()
