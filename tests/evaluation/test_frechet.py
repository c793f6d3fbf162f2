"""The Fréchet distance of samples, and the classifier behind it."""

import json

import numpy as np
import pytest
import scipy.linalg
import torch
from command_line import FAST
from evaluation_helpers import CPU, Linear, WithPrior, make_dataset

from ae_run.data import Dataset, cache_dir
from ae_run.evaluation import frechet as module
from ae_run.evaluation.baselines import Pca
from ae_run.evaluation.codes import Codes
from ae_run.evaluation.frechet import Classifier, distance, frechet
from ae_run.images import DeviceImages
from ae_run.models import Autoencoder


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STEPS", 60)


def sample(n: int, d: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def scored(model: Autoencoder, data: Dataset, count: int = 20) -> dict[str, object]:
    images = DeviceImages(data.open_test().images, CPU)
    pca = Pca.fit(data.train, 4, CPU)

    def codes() -> Codes:
        return Codes.of(model, data.train, DeviceImages(data.train.images, CPU), 16)

    with torch.no_grad():
        return frechet(count, model, pca, data, codes, images, 0, lambda _: None)


def test_the_distance_is_that_of_two_gaussians():
    a, b = sample(300, 5, 0), sample(200, 5, 1)
    first, second = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(first @ second).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(first + second - 2 * root)
    assert distance(a, b) == pytest.approx(expected, rel=1e-6)
    assert distance(b, a) == pytest.approx(expected, rel=1e-6)


def test_it_is_zero_for_equal_samples_and_the_squared_shift_for_shifted_ones():
    a = sample(100, 8, 0)
    assert distance(a, a) == pytest.approx(0, abs=1e-8)
    assert distance(a, a + 3) == pytest.approx(8 * 9)
    few = a[:3]  # with a singular covariance
    assert distance(few, few) == pytest.approx(0, abs=1e-6)


def test_the_classifier_is_trained_once_and_kept(monkeypatch):
    data = make_dataset()
    first = Classifier.of(data, CPU, print)
    assert first.accuracy > 0.9
    (path,) = (cache_dir() / "classifiers").iterdir()
    monkeypatch.setattr(module, "_train", None)  # a second training would fail
    second = Classifier.of(data, CPU, print)
    assert second.accuracy == first.accuracy
    images = DeviceImages(data.train.images, CPU)
    with torch.no_grad():
        assert np.array_equal(*(c.features(images.batches(9)) for c in (first, second)))
    monkeypatch.undo()
    path.write_bytes(b"torn")
    monkeypatch.setattr(module, "_STEPS", 60)
    assert Classifier.of(data, CPU, print).accuracy == first.accuracy, "trained again, the same"


def test_training_leaves_the_default_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    Classifier.of(make_dataset(), CPU, print)
    assert torch.equal(torch.rand(3), expected)


def test_real_images_are_nearer_than_samples_of_an_untrained_model():
    data = make_dataset(train=200, validation=100, test=100)
    found = scored(WithPrior(), data, count=100)
    assert found["n"] == 100
    assert found["samples_from"] == "prior"
    assert found["validation"] < found["pca"]
    assert found["validation"] < found["samples"]


def test_a_model_without_a_prior_is_sampled_from_a_gaussian_and_says_so():
    found = scored(Linear(), make_dataset())
    assert found["samples_from"] == "codes"
    assert found["n"] == 20


def test_without_validation_images_there_is_no_floor():
    found = scored(Linear(), make_dataset(validation=0), count=1000)
    assert found["validation"] is None
    assert found["n"] == 25


@pytest.mark.parametrize("shape", [(3, 5, 9), (1, 1, 1)])
def test_images_of_any_shape_have_features(shape):
    found = scored(Linear(1, image_shape=shape), make_dataset(shape=shape))
    assert found["samples"] >= 0


def test_a_run_prints_the_accuracy_and_its_page_shows_the_distances(cli, tmp_path):
    result = cli("model=wae", *FAST, "evaluate.frechet=16", "run_dir=run")
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())["frechet"]
    assert f"test accuracy {metrics['accuracy']:.4f}" in result.out
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert "samples of this model (from its prior)" in page
    assert "Fréchet distance" in page
