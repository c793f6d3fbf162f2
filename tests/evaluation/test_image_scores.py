"""Image scores against definitions worked out by hand."""

import math

import numpy as np
import pytest
import torch

from ae_run.evaluation.image_scores import Target, image_scores
from ae_run.meter import Meter

SHAPES = [(1, 28, 28), (3, 20, 23), (1, 8, 8), (2, 11, 12)]


def images(shape, seed, n=3):
    source = torch.Generator().manual_seed(seed)
    return torch.rand(n, *shape, generator=source, dtype=torch.float64)


def slow_ssim(x, y):
    """SSIM of one channel (H, W) by the sums in Wang et al. 2004, equations 13 to 16."""
    size = min(11, *(n if n % 2 else n - 1 for n in x.shape))
    offsets = np.arange(size) - size // 2
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for row in range(x.shape[0] - size + 1):
        for column in range(x.shape[1] - size + 1):
            a = x[row : row + size, column : column + size]
            b = y[row : row + size, column : column + size]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a = (window * (a - mean_a) ** 2).sum()
            var_b = (window * (b - mean_b) ** 2).sum()
            covariance = (window * (a - mean_a) * (b - mean_b)).sum()
            values.append(
                (2 * mean_a * mean_b + 0.01**2)
                * (2 * covariance + 0.03**2)
                / ((mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2))
            )
    return np.mean(values)


@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_is_the_mean_over_windows_of_its_definition(shape):
    x, y = images(shape, 1), images(shape, 2)
    y = 0.7 * x + 0.3 * y
    expected = [
        np.mean([slow_ssim(x[i, c].numpy(), y[i, c].numpy()) for c in range(shape[0])])
        for i in range(len(x))
    ]
    assert Target(y).ssim(x).tolist() == pytest.approx(expected, abs=1e-12)
    # In float32, as evaluation runs it.
    assert Target(y.float()).ssim(x.float()).tolist() == pytest.approx(expected, abs=1e-4)


def test_ssim_is_1_for_equal_images_and_symmetric():
    x, y = images((3, 20, 23), 1), images((3, 20, 23), 2)
    assert Target(x).ssim(x).tolist() == pytest.approx([1, 1, 1])
    assert torch.allclose(Target(x).ssim(y), Target(y).ssim(x))
    assert (Target(x).ssim(y) < 0.9).all()


def test_ssim_of_even_images_compares_their_brightness_alone():
    a, b = 0.3, 0.6
    x, y = torch.full((1, 1, 28, 28), a).double(), torch.full((1, 1, 28, 28), b).double()
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert Target(y).ssim(x).item() == pytest.approx(expected)


def test_an_error_of_a_tenth_is_20_decibels():
    target = torch.full((1, 1, 8, 8), 0.5)
    scores = image_scores(target + 0.1, target)
    assert scores["mse"].item() == pytest.approx(0.01)
    assert scores["psnr_db"].item() == pytest.approx(20, abs=1e-4)
    assert scores["snr_db"].item() == pytest.approx(10 * math.log10(0.25 / 0.01), abs=1e-4)


def test_snr_is_psnr_less_the_signals_headroom():
    x, y = images((3, 20, 23), 1), images((3, 20, 23), 2)
    scores = image_scores(x, y)
    headroom = -10 * torch.log10(y.square().mean((1, 2, 3)))
    assert torch.allclose(scores["snr_db"], scores["psnr_db"] - headroom)


def test_a_perfect_image_has_100_decibels():
    x = images((1, 8, 8), 1)
    assert image_scores(x, x)["psnr_db"].tolist() == pytest.approx([100, 100, 100])


def test_a_blank_target_has_no_snr_and_does_not_count():
    target = torch.stack([torch.zeros(1, 8, 8), torch.full((1, 8, 8), 0.5)])
    scores = image_scores(target + 0.05, target)
    assert scores["snr_db"].isnan().tolist() == [True, False]
    meter = Meter()
    meter.add(scores)
    assert meter.means()["snr_db"] == pytest.approx(20, abs=1e-3)
    assert meter.means()["mse"] == pytest.approx(0.0025)


def test_an_images_scores_do_not_depend_on_its_batch():
    x, y = images((1, 28, 28), 1, n=6).float(), images((1, 28, 28), 2, n=6).float()
    together = image_scores(x, y)
    for name, values in image_scores(x[2:3], y[2:3]).items():
        assert values.item() == pytest.approx(together[name][2].item(), rel=1e-5)


def test_means_are_over_images_not_over_batches():
    meter = Meter()
    meter.add({"mse": torch.tensor([1.0, 1.0, 1.0])})
    meter.add({"mse": torch.tensor([5.0])})
    assert meter.means() == {"mse": 2.0}


def test_a_score_that_no_image_has_is_nan():
    meter = Meter()
    meter.add({"snr_db": torch.tensor([math.nan])})
    assert math.isnan(meter.means()["snr_db"])
