"""The nearest training image of samples."""

import numpy as np
import pytest
import torch
from evaluation_helpers import CPU, make_dataset

from ae_run.evaluation import nearest as module
from ae_run.evaluation.nearest import nearest, of_samples
from ae_run.images import DeviceImages

DATA = make_dataset(train=60)
TRAIN = DeviceImages(DATA.train.images, CPU)


@pytest.mark.parametrize("at_once", [7, 1000])
def test_it_is_the_one_with_the_smallest_squared_error(at_once, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    images = torch.rand(9, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found, errors = nearest(images, TRAIN)
    all_errors = (images[:, None] - TRAIN.slice(0, 60)[None]).square().flatten(2).mean(2)
    torch.testing.assert_close(errors, all_errors.min(1).values)
    assert torch.equal(found, TRAIN.take(all_errors.argmin(1)))


def test_a_copy_of_a_training_image_is_at_a_distance_of_zero():
    samples = DATA.train.images[[5, 31]]
    test = DeviceImages(DATA.open_test().images, CPU)
    means, arrays = of_samples(samples, test, TRAIN)
    assert means["samples"] == 0
    assert means["test"] > 0
    assert np.array_equal(arrays["samples_images"], samples)
    assert np.array_equal(arrays["test_targets"], DATA.open_test().images[:2])
    assert arrays["test_mse"].mean() == pytest.approx(means["test"])
