"""The PCA and mean-image baselines."""

import numpy as np
import pytest
import torch
from evaluation_helpers import CPU, Linear, make_dataset, make_part

from ae_run.evaluation import baselines as baselines_module
from ae_run.evaluation.baselines import Baselines, Pca
from ae_run.evaluation.image_scores import Target
from ae_run.images import DeviceImages


def flat(part):
    return part.images[:].reshape(len(part), -1) / 255.0


def scored(d, data, part=None):
    return scored_with(Pca.fit(data.train, d, CPU), part or data.open_test())


def scored_with(pca, part):
    found = Baselines(pca)
    for images in DeviceImages(part.images, CPU).batches(7):
        found.add(Target(images))
    return found.means()


@pytest.mark.parametrize("d", [1, 2, 5, 20])
def test_pca_is_the_best_subspace_of_the_training_images(d):
    data = make_dataset()
    x, y = flat(data.train), flat(data.open_test())
    axes = np.linalg.svd(x - x.mean(0), full_matrices=False)[2][:d]
    centred = y - x.mean(0)
    expected = np.square(centred - centred @ axes.T @ axes).mean()
    assert scored(d, data)["pca"]["mse"] == pytest.approx(expected, rel=1e-5)


def test_no_other_projection_has_a_smaller_training_error():
    data = make_dataset()
    ours = scored(4, data, data.train)["pca"]["mse"]
    x = torch.from_numpy(flat(data.train)).float()
    for seed in range(20):
        basis = Linear(4, seed=seed).basis.detach()
        centred = x - x.mean(0)
        assert ours < (centred - centred @ basis @ basis.T).square().mean()


def test_more_components_leave_less_and_all_of_them_nothing():
    data = make_dataset(train=100)
    errors = [scored(d, data, data.train)["pca"]["mse"] for d in (1, 2, 8, 32, 64)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-9


def test_the_mean_image_leaves_the_variance():
    data = make_dataset()
    expected = np.square(flat(data.open_test()) - flat(data.train).mean(0)).mean()
    assert scored(2, data)["mean"]["mse"] == pytest.approx(expected, rel=1e-4)
    assert scored(2, data)["pca"]["mse"] < expected


def test_components_are_as_many_as_the_images_allow():
    few = make_dataset(train=5)
    assert scored(500, few)["pca"]["components"] == 5
    assert scored(3, few)["pca"]["components"] == 3


def test_projects_images_of_any_shape():
    part = make_part(30, 3, (3, 20, 23), 1)
    pca = Pca.fit(part, 4, CPU)
    images = DeviceImages(part.images, CPU).slice(0, 9)
    assert pca.reconstruct(images).shape == images.shape


def test_beyond_the_exact_size_the_randomized_solver_is_close(monkeypatch):
    data = make_dataset(train=100)
    exact = scored(5, data)["pca"]["mse"]
    monkeypatch.setattr(baselines_module, "EXACT_PIXELS", 10)
    assert scored(5, data)["pca"]["mse"] == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(
    ("count", "pixels", "used"),
    [
        (48_000, 784, 48_000),
        (48_000, 2352, 48_000),
        (1_000_000, 784, 255_102),
        (1_000_000, 2916, 35_281),
        (5_000, 12_288, 5_000),
        (80_000, 12_288, 2_441),
        (100_000, 1_000_000, 40),
    ],
)
def test_pca_takes_all_images_where_that_is_cheap(count, pixels, used):
    assert baselines_module.images_used(count, pixels, components=10) == used


def test_pca_of_a_sample_is_that_of_its_first_images_and_says_so(monkeypatch):
    data = make_dataset()
    monkeypatch.setattr(baselines_module, "EXACT_WORK", 40 * 64**2)
    sampled = Pca.fit(data.train, 5, CPU)
    assert (sampled.images, sampled.components.shape) == (40, (5, 64))
    monkeypatch.undo()
    alone = Pca.fit(data.train.select(slice(40)), 5, CPU)
    assert torch.equal(sampled.components, alone.components)
    assert alone.images is None
    assert scored_with(sampled, data.open_test())["pca"]["images"] == 40
    assert "images" not in scored_with(alone, data.open_test())["pca"]
