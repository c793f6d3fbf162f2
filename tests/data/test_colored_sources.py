"""Colour: by class or image, of a known brightness, the same for a seed."""

import numpy as np
import pytest
from data_helpers import make_config, real_data
from pydantic import ValidationError

from ae_run import data
from ae_run.data import colored_digits, colored_mnist, digits
from ae_run.errors import UserError

PALETTE = [[i / 10, 1 - i / 10, 0.5] for i in range(10)]


def load(**changes) -> data.Source:
    return colored_digits.load(make_config("colored_digits", **changes))


def grey() -> data.Source:
    return digits.load(make_config("digits"))


def mean_square(images: np.ndarray) -> float:
    return float(np.square(images[:] / 255).mean())


def hues(images: np.ndarray) -> np.ndarray:
    """Each image's colour at its brightest pixel, up to a factor: (N, 3)."""
    peak = images[:].reshape(len(images), 3, -1).max(2).astype(float)
    return peak / peak.max(1, keepdims=True)


@pytest.mark.parametrize("by", ["class", "image"])
@pytest.mark.parametrize("jitter", [0.0, 0.3])
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_clean_test_set_has_the_mean_square_that_was_asked_for(by, jitter, seed):
    source = load(by=by, jitter=jitter, palette_seed=seed)
    assert source.images.shape == (1438, 3, 28, 28)
    assert source.images[:].dtype == np.uint8
    assert mean_square(source.test_images) == pytest.approx(0.04, abs=2e-4)
    assert mean_square(source.images) == pytest.approx(0.04, abs=4e-3)


@pytest.mark.parametrize("wanted", [0.01, 0.15])
def test_mean_square_is_an_option_even_where_colours_saturate(wanted):
    assert mean_square(load(mean_square=wanted).test_images) == pytest.approx(wanted, abs=1e-3)


def test_a_brightness_out_of_reach_is_one_clear_error():
    highest = mean_square(grey().test_images)
    with pytest.raises(UserError, match=rf"data.mean_square=0\.9: .*at most {highest:.4f}"):
        load(mean_square=0.9)


def test_a_class_has_one_colour_and_classes_differ():
    source = load()
    found = [hues(source.images[source.labels == label]) for label in range(10)]
    assert max(colours.std(0).max() for colours in found) < 0.02
    means = np.array([colours.mean(0) for colours in found])
    gaps = np.abs(means[:, None] - means[None]).max(2) + np.eye(10)
    assert gaps.min() > 0.05


def test_by_image_the_colour_says_nothing_of_the_class():
    source = load(by="image")
    found = np.array([hues(source.images[source.labels == label]).mean(0) for label in range(10)])
    assert np.abs(found - found.mean(0)).max() < 0.1
    assert hues(source.images).std(0).min() > 0.2


def test_jitter_spreads_the_colours_of_a_class():
    one, more = (load(jitter=jitter) for jitter in (0.0, 0.2))
    of_class = one.labels == 3
    assert hues(one.images[of_class]).std(0).max() < 0.02
    assert hues(more.images[of_class]).std(0).max() > 0.05


def test_shapes_and_order_are_those_of_the_grey_images():
    source, plain = load(mean_square=None, palette=[[1, 1, 1]] * 10), grey()
    assert np.array_equal(source.images, plain.images[:].repeat(3, 1))
    assert np.array_equal(source.labels, plain.labels)
    assert np.array_equal(source.test_labels, plain.test_labels)


def test_a_palette_is_used_as_it_is_without_scaling():
    source, plain = load(mean_square=None, palette=PALETTE), grey()
    colours = np.array(PALETTE)[plain.test_labels][:, :, None, None]
    assert np.abs(source.test_images[:] - plain.test_images[:] * colours).max() <= 0.501


def test_by_image_draws_from_the_palette():
    source = load(by="image", mean_square=None, palette=[[1, 0, 0], [0, 0, 1]])
    red = source.images[:][:, 0].max((1, 2)) > 0
    assert (source.images[:][:, 1] == 0).all()
    assert (red != (source.images[:][:, 2].max((1, 2)) > 0)).all()
    assert 0.4 < red.mean() < 0.6


def test_the_palette_seed_alone_decides_the_colours():
    def bytes_of(**changes):
        return load(**changes).images[:].tobytes()

    assert bytes_of() == bytes_of(split_seed=5, limit=10)
    assert bytes_of() != bytes_of(palette_seed=1)


def test_a_palette_must_have_a_colour_per_class():
    with pytest.raises(UserError, match=r"data\.palette: has 9 colours; must be one for each"):
        load(palette=PALETTE[:9])


@pytest.mark.parametrize(
    "changes",
    [
        {"palette": [[0, 0, 1.5]]},
        {"palette": []},
        {"palette": [[0, 0]]},
        {"by": "digit"},
        {"jitter": -0.1},
        {"mean_square": 0.0},
    ],
)
def test_values_out_of_bounds_are_refused(changes):
    with pytest.raises(ValidationError):
        make_config("colored_digits", **changes)


def test_colored_mnist_has_the_brightness_that_the_report_implies():
    source = colored_mnist.load(make_config("colored_mnist", root=str(real_data())))
    assert source.images.shape == (60_000, 3, 28, 28)
    assert mean_square(source.test_images) == pytest.approx(0.040, abs=0.002)
