"""The variational autoencoder's bounds against sampling, numerical integrals and each other."""

import math

import pytest
import torch
from model_helpers import build, config, digits, train

from ae_run.models import vae

SMALL = "model=vae model.trunk=dense model.widths=[16] model.latent_dim=2"
GAUSSIAN = f"{SMALL} model.likelihood=gaussian model.variance=0.1"


def fitted(choice: str, steps: int = 60):
    """A model that has learned a little, in float64, and its black and white 7×7 images."""
    x = (torch.nn.functional.avg_pool2d(digits(64), 4) > 0.4).double()
    model = build(choice, (1, 7, 7)).double()
    train(model.stages()[0], x, steps, lr=1e-2)
    return model.eval(), x


def test_kl_is_zero_at_the_prior_and_positive_elsewhere():
    zero = torch.zeros(3, 4)
    assert torch.equal(vae.kl_to_prior(zero, zero), zero)
    torch.manual_seed(0)
    mu, logvar = torch.randn(1000, 4), torch.randn(1000, 4)
    assert (vae.kl_to_prior(mu, logvar) > 0).all()
    assert (vae.kl_to_prior(zero, zero + 1e-6) >= 0).all()


def test_kl_equals_its_estimate_from_samples():
    torch.manual_seed(0)
    mu, logvar = torch.randn(4, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    n = 200_000
    z = vae.reparameterize(mu.repeat(n, 1), logvar.repeat(n, 1))
    q = torch.distributions.Normal(mu, (logvar / 2).exp())
    ratio = q.log_prob(z) - torch.distributions.Normal(0, 1).log_prob(z)
    error = ratio.std(0) / n**0.5
    assert ((ratio.mean(0) - vae.kl_to_prior(mu, logvar)).abs() < 4 * error).all()


def test_kl_equals_torchs():
    torch.manual_seed(0)
    mu, logvar = torch.randn(2, 50, 3, dtype=torch.float64)
    q = torch.distributions.Normal(mu, (logvar / 2).exp())
    prior = torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(q, prior)
    torch.testing.assert_close(vae.kl_to_prior(mu, logvar), expected, check_dtype=False)


def test_samples_have_the_posteriors_moments():
    torch.manual_seed(0)
    z = vae.reparameterize(torch.full((100_000, 1), 2.0), torch.full((100_000, 1), math.log(9)))
    assert z.mean().item() == pytest.approx(2, abs=0.05)
    assert z.std().item() == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize(("choice", "term"), [(SMALL, "bce"), (GAUSSIAN, "nll")])
def test_the_error_is_the_negative_log_likelihood_in_nats(choice, term):
    model, x = fitted(choice, 5)
    with torch.no_grad():
        mean = model.reconstruct(x)
    if term == "bce":
        log_p = x * mean.log() + (1 - x) * (1 - mean).log()
    else:
        log_p = torch.distributions.Normal(mean, 0.1**0.5).log_prob(x)
    mu, logvar = model.posterior(x)
    expected = -log_p.sum((1, 2, 3)) + vae.kl_to_prior(mu, logvar).sum(1)
    torch.testing.assert_close(model.scores(x, x)["nelbo_at_mean"], expected, check_dtype=False)


def test_a_variance_of_one_half_is_summed_squared_error_plus_kl():
    model, x = fitted(f"{SMALL} model.likelihood=gaussian model.variance=0.5", 5)
    torch.manual_seed(0)
    losses = model.loss(x, x)
    torch.manual_seed(0)
    squares = (model.decode(vae.reparameterize(*model.posterior(x))) - x).square().sum((1, 2, 3))
    constant = 49 / 2 * math.log(math.pi)
    torch.testing.assert_close(losses.total, squares + losses.terms["kl"] + constant)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_total_weighs_the_kl_and_the_bound_does_not(beta):
    model, x = build(f"{SMALL} model.beta={beta}"), digits(8)
    losses = model.loss(x, x)
    assert set(losses.terms) == {"bce", "kl", "nelbo"}
    bce, kl = losses.terms["bce"], losses.terms["kl"]
    torch.testing.assert_close(losses.total, bce + beta * kl)
    torch.testing.assert_close(losses.terms["nelbo"], bce + kl)


def test_free_bits_charge_a_cheap_dimension_its_floor_and_leave_it_alone():
    x = digits(16)
    costs = {}
    for floor in (0.0, 0.2, 50.0):
        model = build(f"{SMALL} model.free_bits={floor}")
        torch.manual_seed(0)
        losses = model.loss(x, x)
        costs[floor] = (losses.total - losses.terms["bce"]).mean().item()
        kl = vae.kl_to_prior(*model.posterior(x)).mean(0)
        assert costs[floor] == pytest.approx(kl.clamp(min=floor).sum().item(), rel=1e-3)
    assert costs[50.0] == pytest.approx(100)
    (losses.total - losses.terms["bce"]).mean().backward()
    assert model.encoder[-1].weight.grad.abs().max() == 0


def test_scores_are_the_bounds_at_beta_one_whatever_was_trained():
    model, x = fitted(f"{SMALL} model.beta=4")
    torch.manual_seed(0)
    scores = model.scores(x, x)
    torch.testing.assert_close(scores["nelbo"], scores["bce"] + scores["kl"])
    assert (scores["kl"] >= 0).all()


def exact_log_likelihood(model, x: torch.Tensor) -> torch.Tensor:
    """Log ∫ p(x|z) p(z) dz over a fine grid of the two dimensions of z."""
    axis = torch.linspace(-6, 6, 241, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    log_prior = torch.distributions.Normal(0.0, 1.0).log_prob(grid).sum(1)
    with torch.no_grad():
        mean = model.decode(grid).flatten(1)
    flat = x.flatten(1)
    if model._term == "bce":
        log_p = flat @ mean.log().T + (1 - flat) @ (1 - mean).log().T
    else:
        log_p = torch.stack(
            [torch.distributions.Normal(mean, 0.1**0.5).log_prob(row).sum(1) for row in flat]
        )
    return (log_p + log_prior).logsumexp(1) + 2 * math.log(float(axis[1] - axis[0]))


@pytest.mark.parametrize("choice", [SMALL, GAUSSIAN])
def test_the_importance_weighted_bound_grows_from_the_elbo_to_the_true_likelihood(choice):
    model, x = fitted(choice)
    x, exact = x[:8], exact_log_likelihood(model, x[:8])
    torch.manual_seed(0)
    with torch.no_grad():
        many = x.repeat(300, 1, 1, 1)
        elbo = -model.scores(many, many)["nelbo"].view(300, -1).mean(0)
    # Each from so many samples in all that chance moves none of them much.
    bounds = {
        k: model.log_likelihood(x.repeat(repeats, 1, 1, 1), k).view(repeats, -1).mean(0)
        for k, repeats in {1: 300, 5: 100, 2000: 1}.items()
    }
    assert (elbo < exact).all()
    torch.testing.assert_close(bounds[1].mean(), elbo.mean(), rtol=0, atol=0.1)
    assert elbo.mean() < bounds[5].mean() < bounds[2000].mean()
    # Not above the truth but by chance, and most of the way there.
    assert bounds[2000].mean() < exact.mean() + 0.1
    assert exact.mean() - bounds[2000].mean() < 0.2 * (exact.mean() - elbo.mean())


IWAE = f"{SMALL} model.objective=iwae"


def test_with_one_sample_the_importance_weighted_bound_is_the_elbo():
    model, x = fitted(f"{IWAE} model.importance_samples=1")
    x = x[:4]
    with torch.no_grad():
        mu, logvar = model.posterior(x)
        torch.manual_seed(0)
        bound = -model.loss(x, x).total
        torch.manual_seed(0)
        z = vae.reparameterize(mu, logvar)
        log_p = torch.distributions.Bernoulli(logits=model.decode_logits(z)).log_prob(x)
        q = torch.distributions.Normal(mu, (logvar / 2).exp())
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z)
        sampled = log_p.sum((1, 2, 3)) + (prior - q.log_prob(z)).sum(1)
        torch.testing.assert_close(bound, sampled, check_dtype=False)
        # The KL of the samples is on average the exact one.
        losses = model.loss(many := x.repeat(5000, 1, 1, 1), many)
        error = (losses.total - losses.terms["nelbo"]).view(5000, -1)
        assert (error.mean(0).abs() < 4 * error.std(0) / 5000**0.5).all()


def test_the_bound_rises_with_the_samples_and_comes_within_a_hundredth_nat_of_the_truth():
    model, x = fitted(IWAE)
    x = x[:4]
    exact = exact_log_likelihood(model, x).mean().item()
    bounds = []
    torch.manual_seed(0)
    for k, repeats in ((1, 20_000), (2, 20_000), (5, 10_000), (50, 1000), (100_000, 1)):
        each = model.log_likelihood(x.repeat(repeats, 1, 1, 1), k).view(repeats, -1)
        bounds.append(each.mean().item())
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(exact, abs=0.01)
    assert exact - bounds[0] > 0.1


def test_several_samples_of_the_elbo_are_averaged():
    model, x = fitted(f"{SMALL} model.importance_samples=3", 5)
    torch.manual_seed(0)
    losses = model.loss(x, x)
    assert set(losses.terms) == {"bce", "kl", "nelbo"}
    torch.manual_seed(0)
    mu, logvar = (part.repeat(3, 1) for part in model.posterior(x))
    z = vae.reparameterize(mu, logvar)
    errors = vae.bce_with_logits(model.decode_logits(z), x.repeat(3, 1, 1, 1)).view(3, -1)
    torch.testing.assert_close(losses.total, errors.mean(0) + losses.terms["kl"])


def test_an_importance_weighted_run_is_monitored_by_its_own_bound():
    model, x = fitted(f"{IWAE} model.importance_samples=20", 5)
    assert model.monitor == "niwae"
    with torch.no_grad():
        losses, scores = model.loss(x, x), model.scores(x, x)
    torch.testing.assert_close(losses.total, losses.terms["niwae"])
    assert scores.keys() == model.score_names()
    assert scores["niwae"].mean() < scores["nelbo"].mean()
    assert losses.terms["niwae"].mean() < losses.terms["nelbo"].mean()


def test_weights_beyond_the_range_of_floats_stay_finite():
    log_weights = torch.tensor([[-1e5, 1e5], [-1e5, -1e5]])
    expected = torch.tensor([-1e5, 1e5 - math.log(2)])
    torch.testing.assert_close(vae.log_mean_exp(log_weights), expected)


@pytest.mark.parametrize("wrong", ["beta=2", "free_bits=0.5"])
def test_options_of_the_elbo_are_refused_with_importance_weighting(wrong, cli):
    result = cli("model=vae", "model.objective=iwae", f"model.{wrong}")
    assert result.code == 2
    assert f"model.{wrong}: changes the KL term" in result.err
    assert "must be" in result.err


def test_the_importance_weighted_bound_does_not_depend_on_its_chunks(monkeypatch):
    model, x = fitted(SMALL, 5)
    decoded = []
    decode = model.decode_logits
    monkeypatch.setattr(model, "decode_logits", lambda z: decoded.append(len(z)) or decode(z))
    values = []
    for rows in (1, 40, 10_000):
        monkeypatch.setattr(vae, "_ROWS", rows)
        decoded.clear()
        torch.manual_seed(0)
        values.append(model.log_likelihood(x[:8], 30))
        assert max(decoded) <= max(rows, 8)
        assert sum(decoded) == 8 * 30
    assert values[0].shape == (8,)
    torch.testing.assert_close(values[0], values[1])
    torch.testing.assert_close(values[0], values[2])


def test_samples_come_from_the_prior_and_from_the_generator_alone():
    model = build(SMALL)
    draws = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        draws.append(model.sample(5000, torch.Generator().manual_seed(7)))
    assert torch.equal(*draws)
    assert draws[0].shape == (5000, 2)
    assert draws[0].mean().abs() < 0.05
    assert draws[0].std().item() == pytest.approx(1, abs=0.05)
    assert model.double().sample(3, torch.Generator()).dtype == torch.float64


def test_reconstruct_uses_the_mean():
    model, x = build(SMALL).eval(), digits(4)
    mu, _ = model.posterior(x)
    torch.testing.assert_close(model.encode(x), mu)
    torch.testing.assert_close(model.reconstruct(x), model.decode(mu))


def test_extreme_variances_stay_finite():
    model, x = build(SMALL), digits(4)
    for shift in (-1000.0, 1000.0):
        with torch.no_grad():
            model.encoder[-1].bias[2:] = shift
        losses = model.loss(x, x)
        assert losses.total.isfinite().all()
        losses.total.mean().backward()
        assert all(p.grad.isfinite().all() for p in model.parameters())


def test_the_monitor_is_the_bound_and_only_for_this_model():
    assert build(SMALL).monitor == "nelbo"
    assert build("model=conv_ae").monitor == "mse"
    assert build(GAUSSIAN).score_names() == {"mse", "nll", "kl", "nelbo", "nelbo_at_mean"}


@pytest.mark.parametrize("wrong", ["variance=0.0", "beta=-1.0", "free_bits=-0.1"])
def test_options_out_of_bounds_are_refused(wrong):
    with pytest.raises(Exception, match=f"model.{wrong}"):
        config(f"model=vae model.{wrong}")
