"""Killed after any epoch of any stage and resumed, a model ends with the same weights."""

import io
from pathlib import Path

import pytest
import torch
from model_helpers import config

from ae_run import data, models
from ae_run.randomness import derive_seed
from ae_run.run_folder import RunFolder
from ae_run.training import Run, checkpoints, fit

RUN = "data.limit=120 train.epochs=2 train.batch_size=32 train.precision=float32 "
STAGED = {
    "gradient": "model=randomized model.widths=[30] model.latent_dim=12",
    "reported": "model=randomized model.widths=[30] model.latent_dim=12 model.refit=false "
    "model.output=sigmoid model.activation=relu corruption=gaussian",
    "ridge": "model=randomized model.widths=[30] model.latent_dim=12 model.solver=ridge",
    "pretrained": "model=dense_ae model.widths=[30] model.pretrain_epochs=2 model.dropout=0.2",
    "hutchinson": "model=contractive model.penalty=hutchinson model.dropout=0.1",
    "vae": "model=vae model.dropout=0.1",
}


def start(folder: str, choice: str) -> Run:
    run = config(RUN + choice)
    dataset = data.load(run.data)
    torch.manual_seed(derive_seed(run.seed, "init"))
    model = models.build(run.model, dataset.image_shape)
    Path(folder).mkdir(exist_ok=True)
    return Run(run, model, dataset, RunFolder(Path(folder)), torch.device("cpu"), "float32")


@pytest.mark.parametrize("name", STAGED)
@pytest.mark.slow
def test_killed_after_any_epoch_and_resumed_equals_never_killed(name):
    choice = STAGED[name]
    epochs = sum(1 for _ in fit(start("whole", choice)))
    expected = Path("whole", "model.safetensors").read_bytes()
    last = torch.load("whole/resume.pt", weights_only=True)["model"]
    for killed in range(1, epochs):
        folder = f"killed{killed}"
        running = fit(start(folder, choice))
        for _ in range(killed):
            next(running)
        running.close()
        assert sum(1 for _ in fit(start(folder, choice))) == epochs - killed
        assert Path(folder, "model.safetensors").read_bytes() == expected
        resumed = torch.load(io.BytesIO(Path(folder, "resume.pt").read_bytes()), weights_only=True)
        assert all(torch.equal(value, last[key]) for key, value in resumed["model"].items())
    assert epochs == {"ridge": 4, "gradient": 8, "reported": 5, "pretrained": 6}.get(name, 2)


def test_the_kept_weights_are_those_of_the_finished_net():
    for name in ("ridge", "reported"):
        run = start(name, STAGED[name])
        rows = list(fit(run))
        kept = start(name, STAGED[name])
        checkpoints.load_weights(kept.folder, kept.model)
        assert int(kept.model.position) == 3
        assert rows[-1]["stage"] in ("refit 2", "transpose")
