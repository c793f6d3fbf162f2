"""Diagnostics of codes: KL, dead units, correlation, traversals, and the encoder's Jacobian."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import FAST
from evaluation_helpers import CPU, Function, Linear, WithPrior, make_dataset
from helpers.configs import configured

from ae_run import headline, models
from ae_run.evaluation import dimensions
from ae_run.evaluation.codes import Codes
from ae_run.evaluation.latent import traversals
from ae_run.images import DeviceImages
from ae_run.models.contractive import jacobian_penalty

OPTIONS = configured().evaluate.latent


def codes(z) -> Codes:
    z = torch.as_tensor(z, dtype=torch.float32)
    return Codes(z, torch.zeros(len(z), dtype=torch.long))


def build(*overrides: str):
    torch.manual_seed(0)
    return models.build(configured(*overrides).model, (1, 28, 28)).eval()


def test_the_jacobian_of_a_linear_encoder_is_its_matrix():
    model, x = Linear(latent_dim=4), torch.rand(5, 1, 8, 8)
    found = dimensions.encoder_jacobians(model, x)
    assert found.shape == (5, 4, 64)
    torch.testing.assert_close(found, model.basis.T.expand(5, 4, 64))
    metrics, arrays = dimensions.encoder_scores(
        model, DeviceImages(make_dataset().open_test().images, CPU), codes(torch.randn(25, 4))
    )
    assert metrics["jacobian"]["frobenius"] == pytest.approx(2)  # orthonormal rows
    assert metrics["jacobian"]["singular_values"] == pytest.approx([1] * 4)
    assert arrays["dims_singular_values"].shape == (25, 4)


@pytest.mark.parametrize("model", ["model=conv_ae", "model=vae", "model=dense_ae"])
def test_the_jacobian_is_the_limit_of_differences(model):
    net = build(model).double()
    x, v = torch.rand(2, 3, 1, 28, 28, dtype=torch.float64)
    step = 1e-7
    difference = (net.encode(x + step * v) - net.encode(x)) / step
    product = torch.einsum("ndp,np->nd", dimensions.encoder_jacobians(net, x), v.flatten(1))
    torch.testing.assert_close(product, difference, rtol=1e-4, atol=1e-6)


def test_its_squared_norm_is_the_contractive_penalty():
    net, x = build("model=contractive").double(), torch.rand(3, 1, 28, 28, dtype=torch.float64)
    squares = dimensions.encoder_jacobians(net, x).square().sum((1, 2))
    x.requires_grad_()
    torch.testing.assert_close(squares, jacobian_penalty(x, net.encode(x)))


def test_an_encoder_without_a_gradient_has_no_jacobian():
    class Rounded(Linear):
        def encode(self, x):
            return super().encode(x).detach().round()

    images = DeviceImages(make_dataset().open_test().images, CPU)
    metrics, arrays = dimensions.encoder_scores(Rounded(), images, codes(torch.randn(25, 4)))
    assert "jacobian" not in metrics
    assert "dims_singular_values" not in arrays


def test_large_codes_take_fewer_images():
    images = DeviceImages(make_dataset(test=80, shape=(1, 16, 16)).open_test().images, CPU)
    for d, count in ((4, 64), (100, 32), (256, 4)):
        model = Function(lambda x: x, (1, 16, 16))
        model.encode = lambda x, d=d: x.flatten(1)[:, :d]
        metrics, _ = dimensions.encoder_scores(model, images, codes(torch.randn(9, d)))
        assert metrics["jacobian"]["n"] == count
        assert metrics["jacobian"]["frobenius"] == pytest.approx(math.sqrt(d))


def test_a_unit_is_dead_if_it_is_0_for_every_training_image():
    test, train = torch.ones(4, 4), torch.ones(6, 4)
    test[:, :3] = 0
    train[:, 1:3] = 0
    train[5, 2] = 0.1  # silent on test only, like the first
    assert dimensions.dead_units(codes(test), lambda: codes(train)) == 1


def test_training_images_are_encoded_only_where_a_unit_is_silent_on_test():
    def not_asked():
        raise AssertionError

    assert dimensions.dead_units(codes([[0.0, 1.0], [1.0, 0.0]]), not_asked) == 0


def test_dead_units_are_warned_of():
    metrics = {"mse": 0.1, "latent_dim": 10}
    assert headline.warnings(metrics, 0.005, 10, 10) == []
    (warning,) = headline.warnings(metrics | {"dead_units": 3}, 0.005, 10, 10)
    assert warning.startswith("3 of 10 code units are dead")
    assert "train.lr (now 0.005)" in warning


def test_units_are_active_whose_mean_varies_by_more_than_a_hundredth():
    means = torch.zeros(100, 4)
    means[::2, 0], means[:, 1], means[::2, 2] = 0.19, 5.0, 0.21  # variances 0.009, 0, 0.011
    assert dimensions.active_units(means) == 1


def test_correlations_are_pearsons_and_0_with_a_constant():
    z = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    z[:, 1] -= 2 * z[:, 0]
    expected = np.corrcoef(z.numpy().T)
    np.testing.assert_allclose(dimensions.correlation(z), expected, atol=1e-6)
    z[:, 2] = 5
    assert dimensions.correlation(z)[2].tolist() == [0, 0, 0]


@pytest.mark.parametrize("model", [Linear(), WithPrior()])
def test_a_traversal_moves_one_dimension_the_most_important_first(model, monkeypatch):
    seen = []
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda z: seen.append(z) or decode(z))
    z = torch.randn(500, 4, generator=torch.Generator().manual_seed(0)) * 3 + 1
    arrays = traversals(OPTIONS, model, codes(z), torch.tensor([0.1, 5.0, 0.0, 1.0]), 0)
    assert arrays["traversals_dims"].tolist() == [1, 3, 0, 2]
    assert arrays["traversals_importance"].tolist() == pytest.approx([5.0, 1.0, 0.1, 0.0])
    assert arrays["traversals_images"].shape == (4, 11, 1, 8, 8)
    has_prior = isinstance(model, WithPrior)
    centre = torch.zeros(4) if has_prior else z.mean(0)
    moved = torch.cat(seen).view(4, 11, 4) - centre
    for row, dim in enumerate((1, 3, 0, 2)):
        spread = 1.0 if has_prior else z[:, dim].std(correction=0).item()
        expected = torch.zeros(11, 4)
        expected[:, dim] = torch.linspace(-2, 2, 11) * spread
        torch.testing.assert_close(moved[row], expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_a_variational_run_has_its_kl_by_dimension_and_the_page_rate_and_distortion(cli):
    assert cli(*FAST, "model=vae", "evaluate=default", "run_dir=a").code == 0
    metrics = json.loads(Path("a/metrics.json").read_text())
    assert len(metrics["kl_per_dim"]) == metrics["latent_dim"]
    assert sum(metrics["kl_per_dim"]) == pytest.approx(metrics["kl"], rel=1e-4)
    with np.load("a/artifacts.npz") as arrays:
        order = np.argsort(-np.array(metrics["kl_per_dim"]), kind="stable")
        assert arrays["traversals_dims"].tolist() == order.tolist()
    page = Path("a/report.html").read_text(encoding="utf-8")
    for text in ("the rate", "the distortion", "active units", "Traversals of each dimension"):
        assert text in page
    quick = cli("task=evaluate", "run=a", "evaluate=quick")
    assert quick.code == 0, quick.err
    with np.load("a/artifacts.npz") as arrays:  # a smaller evaluation keeps the rest
        assert {"traversals_images", "dims_singular_values"} <= set(arrays)


@pytest.mark.slow
def test_a_contractive_runs_page_has_penalty_and_true_norm_side_by_side(cli):
    model = ("model=contractive", "model.trunk=dense", "model.penalty=weights")
    assert cli(*FAST, *model, "evaluate=default", "run_dir=a").code == 0
    latent = json.loads(Path("a/metrics.json").read_text())["latent"]
    assert latent["weights_penalty"] > 0
    assert latent["jacobian"]["frobenius"] > 0
    page = Path("a/report.html").read_text(encoding="utf-8")
    norm, penalty = (page.index(t) for t in ("norm of the encoder", "norm of the product of"))
    assert 0 < penalty - norm < 400
