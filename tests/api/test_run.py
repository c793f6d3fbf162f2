"""A trained run as an object."""

import base64
import csv
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import ae_run
from ae_run.images import to_uint8
from ae_run.run_folder import RunFolder


def test_a_run_has_its_config_scores_history_figures_and_page(vae):
    assert vae.status == "finished"
    assert vae.config.model.name == "vae"
    assert vae.metrics == json.loads((vae.path / "metrics.json").read_text())
    assert vae.figures["loss_curves"] == vae.path / "figures" / "loss_curves.png"
    assert all(path.is_file() for path in [*vae.figures.values(), vae.page])
    assert vae.dataset.train.images.shape[1:] == (1, 28, 28)
    assert "finished" in repr(vae)


def test_the_history_is_columns_of_one_length(vae):
    rows = list(csv.DictReader((vae.path / "history.csv").read_text().splitlines()))
    assert list(vae.history) == list(rows[0])
    assert vae.history["epoch"].tolist() == [1, 2]
    assert vae.history["stage"].tolist() == ["train", "train"]
    assert vae.history["validation_mse"].tolist() == [float(r["validation_mse"]) for r in rows]


def test_a_score_that_an_epoch_lacks_is_nan(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_csv("history.csv", [{"epoch": 1, "kl": None}, {"epoch": 2, "kl": 0.5}])
    history = ae_run.Run(folder).history
    np.testing.assert_array_equal(history["kl"], [np.nan, 0.5])
    assert history["epoch"].dtype.kind == "i"


def test_reconstructions_are_those_that_evaluation_scored(vae):
    test = vae.dataset.open_test().images[:]
    errors = ((vae.reconstruct(test) - test / 255) ** 2).mean()
    assert errors == pytest.approx(vae.metrics["mse"], rel=1e-5)
    with np.load(vae.path / "artifacts.npz") as arrays:
        shown = arrays["reconstruction_output"]
    ours = to_uint8(torch.from_numpy(vae.reconstruct(test[: len(shown)])))
    np.testing.assert_array_equal(ours, shown)


@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize("floats", [False, True])
def test_arrays_give_arrays_and_tensors_give_tensors_of_the_same_shape(vae, tensors, floats):
    images = vae.dataset.train.images[:3]
    images = images / np.float32(255) if floats else images
    expected = vae.reconstruct(vae.dataset.train.images[:3])
    for place in (..., 0, (0, 0), slice(0, 1), (slice(None), 0)):
        given = torch.from_numpy(images[place]) if tensors else images[place]
        found = vae.reconstruct(given)
        assert isinstance(found, torch.Tensor if tensors else np.ndarray)
        assert found.shape == given.shape
        np.testing.assert_allclose(np.asarray(found), expected[place], atol=1e-6)


def test_one_image_has_one_code_and_a_code_one_image(vae):
    images = vae.dataset.train.images[:3]
    codes = vae.encode(images)
    assert codes.shape == (3, 10)
    assert codes.dtype == np.float32
    np.testing.assert_allclose(vae.encode(images[1]), codes[1], atol=1e-5)
    assert vae.decode(codes).shape == (3, 1, 28, 28)
    assert vae.decode(codes[0]).shape == (1, 28, 28)
    np.testing.assert_allclose(vae.decode(codes), vae.reconstruct(images)[:, :], atol=1e-6)


def test_more_images_than_a_batch_and_views_that_are_reversed_or_read_only(vae):
    images = np.tile(vae.dataset.train.images, (10, 1, 1, 1))[:600]
    images.setflags(write=False)
    codes = vae.encode(images)
    assert codes.shape == (600, 10)
    np.testing.assert_allclose(vae.encode(images[::-1]), codes[::-1], atol=1e-5)


IMAGE = np.zeros((1, 28, 28), np.float32)
WRONG = {
    "shape": (np.zeros((28, 27)), "shape is 28 × 27; must be 1 × 28 × 28"),
    "last": (np.zeros((5, 28, 28, 1), np.uint8), "move the channels first"),
    "five": (np.zeros((1, 1, 1, 28, 28)), "must be 1 × 28 × 28"),
    "none": (np.zeros((0, 28, 28)), "there is none"),
    "number": (np.array(1.0), "a single number"),
    "range": (255 * np.ones((28, 28)), "floats from 255 to 255; must lie in [0, 1], or be uint8"),
    "negative": (IMAGE - 1, "floats from -1 to -1"),
    "nan": (IMAGE * np.nan, "nan"),
    "integers": (IMAGE.astype(int), "type is torch.int64; must be uint8"),
    "text": (np.array("x"), "must be numbers"),
    "list": ([[0.0]], "are a list; must be an array or a tensor"),
}


@pytest.mark.parametrize("case", WRONG)
def test_images_that_are_not_the_runs_are_refused(vae, case):
    images, words = WRONG[case]
    for function in (vae.encode, vae.reconstruct):
        with pytest.raises(ae_run.InvalidInput, match=r"^images: ") as error:
            function(images)
        assert words in str(error.value)
        assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (np.zeros(9), "shape is 9; must be 10 numbers, or N × 10"),
        (np.zeros((2, 2, 10)), "shape is 2 × 2 × 10"),
        (np.zeros((0, 10)), "there is none"),
        (np.full(10, np.inf), "NaN or infinity"),
        (np.zeros(10, bool), "type is torch.bool"),
    ],
)
def test_codes_that_are_not_the_runs_are_refused(vae, codes, words):
    with pytest.raises(ae_run.InvalidInput, match=r"^codes: ") as error:
        vae.decode(codes)
    assert words in str(error.value)


def test_samples_come_from_the_prior_and_repeat_by_their_seed(vae):
    images = vae.sample(4, seed=1)
    assert images.shape == (4, 1, 28, 28)
    assert images.min() >= 0
    assert images.max() <= 1
    np.testing.assert_array_equal(vae.sample(4, seed=1), images)
    assert not np.array_equal(vae.sample(4), images)


def test_a_model_without_a_prior_samples_around_the_codes_of_its_training_images(denoiser):
    images = denoiser.sample(6)
    assert images.shape == (6, 3, 28, 28)
    assert np.ptp(images, axis=0).max() > 0


def test_the_model_is_a_module_whose_forward_reconstructs(vae):
    images = torch.from_numpy(vae.dataset.train.images[:2])
    with torch.no_grad():
        found = vae.model(images / 255)
    assert not vae.model.training
    torch.testing.assert_close(found, vae.reconstruct(images))


def test_a_notebook_shows_scores_beside_baselines_and_reconstructions(denoiser):
    html = denoiser._repr_html_()
    for words in ("colored_digits-denoising", "PCA", "mean image", "the input", "clean input"):
        assert words in html
    (uri,) = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    with Image.open(io.BytesIO(base64.b64decode(uri))) as image:
        assert image.size[0] > image.size[1] > 3 * 28  # three rows of ten


def test_what_a_folder_says_is_escaped_in_a_notebook(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_json("run.json", {"status": "failed", "label": "<b>", "error": "<script>"})
    html = ae_run.Run(folder)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;b&gt;</b>, failed" in html


def test_a_model_is_exported_in_known_formats_only(vae):
    with pytest.raises(ae_run.UserError, match="format=pickle: must be one of onnx, safetensors"):
        vae.export("pickle")
    assert not (vae.path / "export").exists()
