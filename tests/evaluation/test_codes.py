"""Codes of splits and their projections."""

import numpy as np
import pytest
import torch
from evaluation_helpers import CPU, Linear, make_part

from ae_run.evaluation.codes import Codes, project, tsne
from ae_run.images import DeviceImages


def some_codes(n=80, d=10, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_codes_do_not_depend_on_the_batch_size():
    part, model = make_part(25, 3, (1, 8, 8), 1), Linear()
    by_size = [Codes.of(model, part, DeviceImages(part.images, CPU), size) for size in (4, 100)]
    assert torch.allclose(by_size[0].z, by_size[1].z, atol=1e-6)
    assert by_size[0].z.shape == (25, 4)
    assert by_size[0].labels.tolist() == part.labels.tolist()


def test_an_empty_split_has_no_codes():
    part = make_part(0, 3, (1, 8, 8), 1)
    assert Codes.of(Linear(), part, DeviceImages(part.images, CPU), 4).z.shape == (0, 4)


def test_two_dimensional_codes_are_drawn_as_they_are():
    codes = some_codes(d=2)
    points, axes = project(codes, 2)
    assert np.array_equal(points, codes)
    assert axes.tolist() == ["code 1", "code 2"]


def test_one_dimensional_codes_lie_on_a_line():
    points, axes = project(some_codes(d=1), 2)
    assert points.shape == (80, 2)
    assert not points[:, 1].any()
    assert axes.tolist() == ["code", ""]


def test_pca_keeps_the_distances_of_flat_codes():
    flat = some_codes(d=2) @ np.linalg.qr(some_codes(5, 5))[0][:2]
    points, axes = project(flat, 2)
    pairwise = lambda x: np.linalg.norm(x[:, None] - x[None], axis=-1)  # noqa: E731
    assert np.allclose(pairwise(points), pairwise(flat), atol=1e-4)
    shares = [int(name.split("(")[1].split("%")[0]) for name in axes]
    assert sum(shares) in (99, 100, 101)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_projects_any_number_of_codes(n, dims):
    points, axes = project(some_codes(n, 10), dims)
    assert points.shape == (n, dims)
    assert axes.shape == (dims,)
    assert np.isfinite(points).all()


def test_projects_codes_that_are_all_the_same():
    points, _ = project(np.ones((20, 10), np.float32), 2)
    assert not points.any()


@pytest.mark.parametrize(("n", "d", "dims"), [(60, 10, 2), (40, 10, 3), (30, 1, 2), (5, 10, 2)])
def test_tsne_embeds_any_number_of_codes(n, d, dims):
    points = tsne(some_codes(n, d), dims, seed=0)
    assert points.shape == (n, dims)
    assert np.isfinite(points).all()


def test_tsne_repeats_from_its_seed():
    codes = some_codes(40)
    assert np.array_equal(tsne(codes, 2, seed=1), tsne(codes, 2, seed=1))


def test_tsne_keeps_clusters_together():
    codes = some_codes(60) + 20 * np.repeat(np.eye(3, 10, dtype=np.float32), 20, axis=0)
    points = tsne(codes, 2, seed=0).reshape(3, 20, 2)
    spread = np.linalg.norm(points - points.mean(1, keepdims=True), axis=-1).max()
    centres = points.mean(1)
    assert np.linalg.norm(centres[0] - centres[1]) > spread


def test_tsne_needs_five_codes():
    assert tsne(some_codes(4), 2, seed=0) is None


def test_tsne_bears_codes_that_are_all_the_same():
    assert np.isfinite(tsne(np.ones((20, 10), np.float32), 2, seed=0)).all()
