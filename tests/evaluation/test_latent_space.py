"""Centroids, paths, samples and planes of the latent space."""

import numpy as np
import pytest
import torch
from evaluation_helpers import CPU, Linear, WithPrior, make_dataset
from helpers.configs import configured

from ae_run.evaluation import latent
from ae_run.evaluation.codes import Codes
from ae_run.evaluation.latent import latent_arrays
from ae_run.images import DeviceImages, to_uint8

OPTIONS = configured().evaluate.latent


def codes_of(model, part):
    return Codes.of(model, part, DeviceImages(part.images, CPU), 16)


def arrays(model=None, data=None, said=None, **changes):
    model, data = model or Linear(), data or make_dataset()
    options = type(OPTIONS).model_validate({**dict(OPTIONS), **changes})
    say = (said if said is not None else []).append
    with torch.no_grad():
        train, test = codes_of(model, data.train), codes_of(model, data.open_test())
        return latent_arrays(options, model, train, test, len(data.class_names), 0, say)


def some(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_a_centroid_is_the_mean_of_its_classs_codes():
    codes = Codes(some(50, 4), torch.arange(50) % 3)
    found = latent.centroids(codes, 4)
    for label in range(3):
        assert torch.allclose(found[label], codes.z[label::3].mean(0), atol=1e-6)
    assert found[3].isnan().all()  # no image of this class


def test_centroids_are_those_of_training_codes():
    model, data = Linear(), make_dataset()
    other = make_dataset(test=40)
    first, second = (
        arrays(model, data)["centroids_images"],
        arrays(model, other)["centroids_images"],
    )
    assert np.array_equal(first, second)
    codes = codes_of(model, data.train)
    with torch.no_grad():
        assert np.array_equal(first[1], to_uint8(model.decode(codes.z[1::3].mean(0)[None]))[0])


def test_a_straight_path_has_even_steps_from_end_to_end():
    start, end = some(3, 5, 1), some(3, 5, 2)
    path = latent.linear(start, end, 7)
    assert torch.equal(path[:, 0], start)
    assert torch.equal(path[:, -1], end)
    steps = path.diff(dim=1)
    assert torch.allclose(steps, steps[:, :1].expand_as(steps), atol=1e-6)


def test_a_spherical_path_keeps_its_distance_from_the_origin_and_turns_evenly():
    start, end = (torch.nn.functional.normalize(some(4, 6, seed), dim=1) * 3 for seed in (1, 2))
    path = latent.spherical(start, end, 9)
    assert torch.allclose(path[:, 0], start, atol=1e-5)
    assert torch.allclose(path[:, -1], end, atol=1e-5)
    assert torch.allclose(path.norm(dim=2), torch.tensor(3.0), atol=1e-5)
    cosines = torch.nn.functional.cosine_similarity(path[:, 1:], path[:, :-1], dim=2)
    assert torch.allclose(cosines, cosines[:, :1].expand_as(cosines), atol=1e-5)


@pytest.mark.parametrize("end", [[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_a_spherical_path_without_an_angle_is_finite(end):
    start, end = torch.tensor([[1.0, 0.0]]), torch.tensor([end])
    path = latent.spherical(start, end, 5)
    assert torch.allclose(path[:, 0], start)
    assert torch.allclose(path[:, -1], end)
    assert path.isfinite().all()


def test_samples_around_a_centroid_have_the_variance_asked_for():
    means = some(5000, 4)
    samples = latent.around(means, [0.0, 2.5, 10.0], seed=0)
    assert torch.equal(samples[0], means)
    noise = samples - means
    assert noise[1].var().item() == pytest.approx(2.5, rel=0.05)
    assert noise[2].var().item() == pytest.approx(10, rel=0.05)
    assert torch.allclose(noise[2], 2 * noise[1], atol=1e-4)


def test_random_codes_have_the_mean_and_covariance_of_the_training_codes():
    mixing = some(3, 3, 5)
    codes = some(4000, 3) @ mixing + torch.tensor([1.0, -2.0, 5.0])
    drawn = latent.gaussian_codes(codes, 40_000, seed=1)
    assert torch.allclose(drawn.mean(0), codes.mean(0), atol=0.1)
    assert torch.allclose(drawn.T.cov(), codes.T.cov(), atol=0.15)


def test_random_codes_stay_in_the_subspace_of_the_training_codes():
    codes = torch.cat([some(200, 2), torch.full((200, 1), 3.0)], 1)
    codes = torch.cat([codes, codes[:, :1] * 2], 1)
    drawn = latent.gaussian_codes(codes, 50, seed=0)
    assert torch.allclose(drawn[:, 2], torch.tensor(3.0), atol=1e-3)
    assert torch.allclose(drawn[:, 3], 2 * drawn[:, 0], atol=1e-3)


def test_random_codes_come_from_the_prior_where_there_is_one():
    plain, prior = arrays(Linear()), arrays(WithPrior())
    assert plain["random_samples_images"].shape == (50, 1, 8, 8)
    assert not np.array_equal(plain["random_samples_images"], prior["random_samples_images"])
    drawn = WithPrior().sample(50, latent.generator(0, "random-codes"))
    with torch.no_grad():
        assert np.array_equal(prior["random_samples_images"], to_uint8(WithPrior().decode(drawn)))


def test_only_models_with_a_prior_have_spherical_paths():
    assert "paths_spherical_images" not in arrays(Linear())
    found = arrays(WithPrior())
    assert found["paths_spherical_images"].shape == found["paths_images_images"].shape
    ends = slice(None, None, OPTIONS.path_steps - 1)
    straight, round_ = (found[f"paths_{kind}_images"][:, ends] for kind in ("images", "spherical"))
    assert np.abs(straight.astype(int) - round_).max() <= 1


def test_everything_has_the_promised_shape():
    found = arrays(path_classes=[[0, 1], [2, 0]], path_images=[[0, 24]], samples=7, grid_size=5)
    shapes = {key: value.shape for key, value in found.items()}
    image = (1, 8, 8)
    assert shapes == {
        "centroids_images": (3, *image),
        "paths_centroids_images": (2, 11, *image),
        "paths_centroids_labels": (2, 2),
        "paths_images_images": (1, 11, *image),
        "paths_images_labels": (1, 2),
        "centroid_samples_images": (5, 3, *image),
        "centroid_samples_variances": (5,),
        "random_samples_images": (7, *image),
        "latent_grid_images": (5, 5, *image),
        "latent_grid_dims": (2,),
        "latent_grid_values": (5,),
    }
    assert all(value.dtype == np.uint8 for key, value in found.items() if key.endswith("images"))
    assert found["paths_centroids_labels"].tolist() == [[0, 1], [2, 0]]
    assert found["paths_images_labels"].tolist() == [[0, 24 % 3]]


def test_a_path_between_images_starts_and_ends_at_their_reconstructions():
    model, data = Linear(), make_dataset()
    found = arrays(model, data, path_images=[[4, 9]])["paths_images_images"][0]
    images = DeviceImages(data.open_test().images, CPU).take(torch.tensor([4, 9]))
    with torch.no_grad():
        assert np.array_equal(found[[0, -1]], to_uint8(model.reconstruct(images)))


def test_a_plane_varies_two_dimensions_and_keeps_the_others():
    model, data = Linear(4), make_dataset()
    codes = codes_of(model, data.train).z
    found = arrays(model, data, grid_dims=[3, 1], grid_size=3, grid_range=1.5)
    assert found["latent_grid_values"].tolist() == [-1.5, 0, 1.5]
    code = codes.mean(0)
    code[3] += 1.5 * codes[:, 3].std(correction=0)  # to the right
    code[1] -= 1.5 * codes[:, 1].std(correction=0)  # down
    with torch.no_grad():
        assert np.array_equal(
            found["latent_grid_images"][0, 2], to_uint8(model.decode(code[None]))[0]
        )


def test_the_plane_of_a_prior_is_centred_at_0_with_unit_steps():
    found = arrays(WithPrior(4), grid_dims=[0, 2], grid_size=3, grid_range=2.0)
    code = torch.tensor([[2.0, 0.0, -2.0, 0.0]])
    with torch.no_grad():
        assert np.array_equal(
            found["latent_grid_images"][0, 2], to_uint8(WithPrior(4).decode(code))[0]
        )


@pytest.mark.parametrize("size", [2, 5, 11, 20])
def test_the_values_of_a_plane_are_even_and_symmetric(size):
    values = arrays(grid_size=size)["latent_grid_values"]
    assert np.array_equal(values, -values[::-1])
    assert np.allclose(np.diff(values), 4 / (size - 1))


def test_the_plane_is_by_default_that_of_the_largest_spread():
    model, data = Linear(6), make_dataset()
    spread = codes_of(model, data.train).z.var(0)
    assert (
        arrays(model, data)["latent_grid_dims"].tolist()
        == spread.argsort(descending=True)[:2].tolist()
    )


@pytest.mark.parametrize("d", [1, 2, 5, 64])
def test_any_code_size_has_pictures(d):
    found = arrays(Linear(d))
    assert ("latent_grid_images" in found) == (d >= 2)
    assert ("path_2d_points" in found) == (d == 2)


def test_stars_of_a_plane_code_are_the_points_on_its_paths():
    model, data = Linear(2), make_dataset()
    found = arrays(model, data, path_classes=[[0, 2]])
    points = torch.from_numpy(found["path_2d_points"])
    with torch.no_grad():
        assert np.array_equal(to_uint8(model.decode(points)), found["paths_centroids_images"][0])


def test_a_path_across_goes_from_quantile_to_quantile_of_each_dimension():
    model, data = Linear(2), make_dataset(train=101)
    codes = codes_of(model, data.train).z.sort(0).values
    found = arrays(model, data, path_quantiles=[[0.1, 0.9], [1.0, 0.5]])
    points = torch.from_numpy(found["path_2d_points"])
    assert torch.equal(points[0], torch.stack([codes[10, 0], codes[100, 1]]))
    assert torch.equal(points[-1], torch.stack([codes[90, 0], codes[50, 1]]))
    with torch.no_grad():
        assert np.array_equal(to_uint8(model.decode(points)), found["paths_quantiles_images"][0])


def test_what_is_not_there_is_left_out_and_told():
    said = []
    found = arrays(
        Linear(4),
        said=said,
        path_classes=[[0, 7], [0, 1]],
        path_images=[[25, 0]],
        path_quantiles=[[0.0, 1.0]],
        grid_dims=[0, 4],
    )
    assert found["paths_centroids_labels"].tolist() == [[0, 1]]
    assert "paths_images_images" not in found
    assert "latent_grid_images" not in found
    assert said == [
        "evaluate.latent.path_classes: [0, 7] left out: there is no training image of 7",
        "evaluate.latent.path_images: [25, 0] left out: there is no test image 25",
        "evaluate.latent.path_quantiles: left out: the code has 4 dimensions",
        "evaluate.latent.grid_dims: [0, 4] left out: the code has dimensions 0 to 3",
    ]


def test_a_class_without_training_images_is_black():
    data = make_dataset(train=2)  # classes 0 and 1 of 3
    found = arrays(data=data)
    assert found["centroids_images"].shape == (3, 1, 8, 8)
    assert not found["centroids_images"][2].any()
    assert found["centroids_images"][:2].any()
    assert found["paths_centroids_labels"].tolist() == [[0, 1]]


def test_a_single_class_has_no_paths():
    found = arrays(data=make_dataset(classes=1))
    assert not any(key.startswith("paths") for key in found)
    assert found["centroids_images"].shape == (1, 1, 8, 8)


def test_parts_can_be_switched_off():
    found = arrays(variances=[], samples=0)
    assert not any(key.startswith(("centroid_samples", "random_samples")) for key in found)


def test_a_seed_repeats_every_picture():
    first, second = arrays(WithPrior()), arrays(WithPrior())
    assert all(np.array_equal(first[key], second[key]) for key in first)
