"""A new user's notebook, from training to another runtime."""

import pytest
from command_line import run_process

NOTEBOOK = """\
import numpy as np
import onnxruntime
import ae_run

options = {"data.limit": 200, "train.epochs": 2, "evaluate": "quick"}
plain = ae_run.train("model=conv_ae", options)
vae = ae_run.train("model=vae", options)
for run in (plain, vae):
    print(run.config.model.name, run.metrics["mse"], run.metrics["ssim"])
best = min(ae_run.runs(), key=lambda run: run.metrics["mse"])

first, last = vae.encode(vae.dataset.validation.images[:2])
path = vae.decode(np.linspace(first, last, 9))

decoder = onnxruntime.InferenceSession(vae.export()["decoder.onnx"])
again = decoder.run(None, {"codes": np.linspace(first, last, 9)})[0]
print(path.shape, np.abs(path - again).max() < 1e-5, best.path in (plain.path, vae.path))
"""


@pytest.mark.slow
def test_two_models_are_compared_a_path_decoded_and_run_elsewhere():
    assert len(NOTEBOOK.splitlines()) <= 25
    done = run_process(["-W", "error", "-c", NOTEBOOK], check=True)
    *scores, last = done.stdout.splitlines()
    assert [line.split()[0] for line in scores] == ["conv_ae", "vae"]
    assert last == "(9, 1, 28, 28) True True"
