"""The built-in data set."""

import numpy as np
from data_helpers import make_config

from ae_run import data
from ae_run.data import digits


def test_the_bundled_digits_are_upsampled_to_full_range():
    source = digits.load(make_config("digits"))
    assert source.images.shape == (1438, 1, 28, 28)
    assert source.test_images.shape == (359, 1, 28, 28)
    assert source.images.array.dtype == np.uint8
    assert source.images[:].min() == 0
    assert source.images[:].max() > 240


def test_size_is_an_option():
    assert digits.load(make_config("digits", size=8)).images.shape == (1438, 1, 8, 8)


def test_no_seed_moves_the_test_set():
    def sets(seed):
        loaded = data.load(make_config("digits", split_seed=seed))
        parts = (loaded.open_test(), loaded.validation)
        return [{image.tobytes() for image in part.images} for part in parts]

    (test, validation), (other_test, other_validation) = sets(0), sets(1)
    assert test == other_test
    assert validation != other_validation


def test_every_tenth_of_test_is_of_each_class():
    counts = np.bincount(digits.load(make_config("digits")).test_labels)
    assert counts.min() >= 34
    assert counts.max() <= 38
