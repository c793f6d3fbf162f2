"""The Wasserstein autoencoder's distance between codes and prior, against what theory says."""

import pytest
import torch
from model_helpers import build, digits, train

from ae_run.models.wae import mmd

WIDTHS = [0.8, 4.0, 16.0]
SMALL = "model=wae model.trunk=dense model.widths=[64] model.latent_dim=2"


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=source, dtype=torch.float64)


def test_the_estimates_are_those_written_out_pair_by_pair():
    a, b, n = normal(6, 3), normal(6, 3, seed=1) + 1, 6

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return sum(c / (c + float((x - y).square().sum())) for c in WIDTHS)

    within = sum(kernel(s[i], s[j]) for s in (a, b) for i in range(n) for j in range(n) if i != j)
    between = sum(kernel(x, y) for x in a for y in b)
    unbiased = within / (n * (n - 1)) - 2 * between / n**2
    biased = (within + 2 * n * len(WIDTHS)) / n**2 - 2 * between / n**2
    assert mmd(a, b, WIDTHS).item() == pytest.approx(unbiased, abs=1e-12)
    assert mmd(a, b, WIDTHS, unbiased=False).item() == pytest.approx(biased, abs=1e-12)


def test_the_biased_estimate_is_zero_on_equal_samples_and_positive_on_others():
    a = normal(50, 4)
    assert mmd(a, a.clone(), WIDTHS, unbiased=False).item() == pytest.approx(0, abs=1e-12)
    assert mmd(a, normal(50, 4, seed=1), WIDTHS, unbiased=False) > 0


def test_the_unbiased_estimate_averages_zero_on_one_distribution_and_more_on_two():
    a, b = normal(2000, 20, 3), normal(2000, 20, 3, seed=1)
    same, shifted = (
        torch.stack([mmd(x, y, WIDTHS) for x, y in zip(a, other, strict=True)])
        for other in (b, b + 0.5)
    )
    error = same.std() / len(same) ** 0.5
    assert same.mean().abs() < 3 * error
    assert same.min() < 0, "an unbiased estimate has to be negative at times"
    assert shifted.mean() > 10 * error


def test_a_single_image_has_a_finite_loss():
    x = digits(1)
    assert build("model=wae").loss(x, x).total.isfinite().all()


def test_training_brings_the_codes_to_the_prior():
    x = digits(200)
    apart = {}
    for weight in (0, 100):
        model = build(f"{SMALL} model.mmd_weight={weight}")
        train(model.stages()[0], x, 150)
        with torch.no_grad():
            z = model.eval().encode(x).double()
        apart[weight] = mmd(z, normal(*z.shape), WIDTHS).item()
    assert apart[100] < 0.05 * apart[0]


def test_the_loss_is_the_summed_squared_error_and_the_weighted_distance():
    x = digits(20)
    losses = build("model=wae model.mmd_weight=3").loss(x, x)
    mse, distance = losses.terms["mse"], losses.terms["mmd"]
    torch.testing.assert_close(losses.total, 784 * mse + 3 * distance)


def test_samples_have_the_moments_of_the_prior():
    model = build("model=wae model.prior_std=3 model.latent_dim=4")
    codes = model.sample(100_000, torch.Generator().manual_seed(0))
    assert codes is not None
    assert codes.shape == (100_000, 4)
    assert codes.mean(0).abs().max() < 0.05
    assert codes.std(0).numpy() == pytest.approx(3, abs=0.05)
    assert model.decode(codes[:5]).shape == (5, 1, 28, 28)
