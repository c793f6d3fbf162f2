"""What an evaluation keeps for the page to explore the latent space."""

import json

import numpy as np
import pytest
import torch
from evaluation_helpers import CPU, Linear, make_dataset
from helpers.configs import configured
from torch import Tensor

from ae_run.evaluation import evaluate
from ae_run.evaluation.earlier import Earlier
from ae_run.evaluation.explorer import explorer_arrays
from ae_run.images import DeviceImages
from ae_run.run_folder import RunFolder

SMALL = ("evaluate.probe=null", "evaluate.robustness=null", "evaluate.convergence=null")


class Branched(Linear):
    """A model whose decoder is no list of layers."""

    def decode(self, z: Tensor) -> Tensor:
        return (super().decode(z) + super().decode(z).flip(3)) / 2


def arrays_of(model: Linear, n: int = 20) -> dict[str, np.ndarray]:
    images = make_dataset(shape=model.image_shape).open_test().images
    with torch.no_grad():
        on_device = DeviceImages(images, CPU)
        codes = model.encode(on_device.slice(0, n))
        return explorer_arrays(model.eval(), codes, on_device, batch_size=7)


def test_it_holds_the_reconstructions_and_the_decoder():
    model = Linear()
    arrays = arrays_of(model)
    images = make_dataset().open_test().images[:20]
    with torch.no_grad():
        expected = model.reconstruct(torch.from_numpy(images).float() / 255) * 255
    assert np.abs(arrays["explorer_outputs"] - expected.numpy()).max() <= 0.51
    layers = json.loads(str(arrays["explorer_decoder"]))
    numbers = sorted(number for layer in layers for number in layer["arrays"].values())
    assert numbers == list(range(len(numbers)))
    assert all(f"explorer_decoder_{number}" in arrays for number in numbers)
    assert "explorer_reason" not in arrays


def test_reconstructions_of_large_images_are_kept_small():
    model = Linear(latent_dim=4, image_shape=(1, 70, 64))
    outputs = arrays_of(model)["explorer_outputs"]
    assert outputs.shape == (20, 1, 23, 21)
    images = make_dataset(shape=model.image_shape).open_test().images[:1]
    with torch.no_grad():
        first = model.reconstruct(torch.from_numpy(images).float() / 255)[0, 0, :3, :3]
    assert outputs[0, 0, 0, 0] == pytest.approx(255 * first.mean().item(), abs=0.51)


@pytest.mark.parametrize(("d", "shape"), [(1, (1, 15)), (2, (15, 15)), (5, (15, 15))])
def test_a_decoder_that_is_no_list_of_layers_leaves_a_grid_and_the_reason(d, shape):
    model = Branched(latent_dim=d)
    arrays = arrays_of(model)
    assert str(arrays["explorer_reason"]) == "it has branches"
    grid, dims = arrays["explorer_grid_images"], arrays["explorer_grid_dims"]
    assert grid.shape == (*shape, 1, 8, 8)
    assert "explorer_decoder" not in arrays
    values = arrays["explorer_grid_values"]
    with torch.no_grad():
        codes = model.encode(torch.from_numpy(make_dataset().open_test().images[:20]) / 255)
        code = codes.mean(0)
        assert dims.tolist() == codes.std(0, correction=0).argsort(descending=True)[:2].tolist()
        code[dims[0]] = float(values[0][3])
        if d > 1:
            code[dims[1]] = float(values[1][11])
        expected = 255 * model.decode(code[None])[0]
    assert np.abs(grid[11 if d > 1 else 0, 3] - expected.numpy()).max() <= 0.51


def test_an_evaluation_without_latent_space_has_none_and_keeps_an_earlier_one(tmp_path):
    folder, model, data = RunFolder(tmp_path), Linear(), make_dataset()

    def arrays(*overrides: str, earlier: Earlier | None = None) -> dict[str, np.ndarray]:
        evaluate(configured(*overrides), model, data, folder, CPU, earlier)
        return folder.read_arrays("artifacts.npz")

    assert not any(name.startswith("explorer_") for name in arrays("evaluate=quick"))
    full = arrays(*SMALL)
    assert "explorer_decoder" in full
    earlier = Earlier(configured(*SMALL).evaluate, folder.read_json("metrics.json"), full)
    again = arrays("evaluate=quick", earlier=earlier)
    assert np.array_equal(again["explorer_outputs"], full["explorer_outputs"])
    assert str(again["explorer_decoder"]) == str(full["explorer_decoder"])
