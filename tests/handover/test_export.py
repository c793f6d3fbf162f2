"""`task=export`: what other programs get is what the model does."""

import json
import sys

import numpy as np
import onnxruntime
import pytest
import safetensors.numpy
import torch
from command_line import FAST

import ae_run
from ae_run import components
from ae_run.handover import export


def run_onnx(path, x):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def test_the_graphs_give_the_models_numbers_for_any_number_of_images(trained, cli):
    result = cli("task=export", f"run={trained.path}")
    assert result.code == 0, result.err
    assert result.out.count("differs from the model by") == 3
    folder = trained.path / "export"
    images = trained.dataset.validation.images[:].astype(np.float32) / 255
    codes = trained.encode(images)
    for n in (1, 7):
        np.testing.assert_allclose(
            run_onnx(folder / "encoder.onnx", images[:n]), codes[:n], atol=1e-4
        )
        found = run_onnx(folder / "decoder.onnx", codes[:n])
        np.testing.assert_allclose(found, trained.decode(codes[:n]), atol=1e-4)
        again = run_onnx(folder / "reconstruct.onnx", images[:n])
        np.testing.assert_allclose(again, trained.reconstruct(images[:n]), atol=1e-4)
    facts = json.loads((folder / "model.json").read_text())
    assert facts["images"]["shape"] == ["batch", 1, 28, 28]
    assert facts["codes"]["shape"] == ["batch", 10]


def test_safetensors_hold_the_weights_and_their_shapes(trained, cli):
    result = cli("task=export", f"run={trained.path}", "format=safetensors")
    assert result.code == 0, result.err
    folder = trained.path / "export"
    weights = safetensors.numpy.load_file(folder / "weights.safetensors")
    facts = json.loads((folder / "model.json").read_text())
    assert {name: list(array.shape) for name, array in weights.items()} == facts["weights"]
    for name, tensor in trained.model.state_dict().items():
        np.testing.assert_array_equal(weights[name], tensor.numpy())


def test_a_graph_that_gives_other_numbers_is_not_kept(trained, monkeypatch):
    monkeypatch.setattr(export, "_difference", lambda *_: 0.01)
    monkeypatch.setattr(export, "FOLDER", "other")
    with pytest.raises(ae_run.RunFailed, match=r"encoder\.onnx: differs from the model by 0\.01"):
        trained.export()
    assert not (trained.path / "other").exists()


def test_the_difference_is_between_the_graph_and_the_model(trained):
    class Shifted(torch.nn.Module):
        def forward(self, x):
            return trained.model.encode(x) + 0.5

    trained.export()
    content = (trained.path / "export" / "encoder.onnx").read_bytes()
    x = torch.rand(3, 1, 28, 28)
    with torch.no_grad():
        assert export._difference(content, trained.model.encode, x) < 1e-5
        assert export._difference(content, Shifted(), x) > 0.05


def test_a_graph_for_one_number_of_images_is_refused(trained, monkeypatch):
    decode = type(trained.model).decode
    fixed = lambda self, z: decode(self, z).view(len(z), 1, 28, 28)  # noqa: E731
    monkeypatch.setattr(type(trained.model), "decode", fixed)
    with pytest.raises(ae_run.RunFailed, match=r"decoder\.onnx: takes 16 images only; write x\."):
        trained.export()


def test_missing_packages_are_named_with_the_extra_that_brings_them(trained, cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = cli("task=export", f"run={trained.path}")
    assert result.code == 2
    assert "needs onnxruntime: pip install 'ae-run[export]'" in result.err
    assert cli("task=export", f"run={trained.path}", "format=safetensors").code == 0


def test_an_unknown_format_is_refused(trained, cli):
    result = cli("task=export", f"run={trained.path}", "format=onxx")
    assert result.code == 2
    assert "format=onxx: must be 'onnx' or 'safetensors'; did you mean 'onnx'?" in result.err


@pytest.mark.slow
@pytest.mark.parametrize("model", sorted(components.options("model")))
def test_every_model_can_be_exported(model):
    run = ae_run.train(f"model={model}", *FAST, "device=cpu")
    files = run.export()
    images = run.dataset.validation.images[:5].astype(np.float32) / 255
    found = run_onnx(files["reconstruct.onnx"], images)
    np.testing.assert_allclose(found, run.reconstruct(images), atol=1e-4)
