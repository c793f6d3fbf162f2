"""The randomized autoencoder: the report's procedure, and its closed form."""

import pytest
import torch
from model_helpers import build, config, digits, train

from ae_run.errors import UserError
from ae_run.models import _ridge

NET = "model=randomized model.widths=[60] model.latent_dim=20"
AS_REPORTED = f"{NET} model.activation=relu model.refit=false"


def moved(choice: str, count: int = 100):
    """A trained net, its images, and per stage the name and the tensors that changed."""
    model, x = build(choice), digits(count)
    stages = []
    for stage in model.stages():
        stage.begin()
        before = {key: value.clone() for key, value in model.state_dict().items()}
        train(stage, x, 3)
        after = model.state_dict()
        stages.append((stage.name, {k for k, v in after.items() if not torch.equal(v, before[k])}))
    return model, x, stages


@pytest.mark.parametrize("solver", ["gradient", "ridge"])
def test_each_stage_fits_one_decoder_and_no_encoder_is_trained(solver):
    _, _, stages = moved(f"{NET} model.solver={solver}")
    assert stages == [
        ("layer 1", {"layers.0.weight"}),
        ("refit 1", {"layers.0.refitted"}),
        ("layer 2", {"layers.1.weight"}),
        ("refit 2", {"layers.1.refitted"}),
    ]


@pytest.mark.parametrize("solver", ["gradient", "ridge"])
def test_as_reported_the_deep_net_is_made_of_the_shallow_decoders(solver):
    model, x, stages = moved(f"{AS_REPORTED} model.solver={solver}")
    assert stages == [
        ("layer 1", {"layers.0.weight"}),
        ("layer 2", {"layers.1.weight"}),
        ("transpose", set()),
    ]
    first, second = (layer.weight for layer in model.layers)
    assert sum(p.numel() for p in model.parameters()) == 784 * 60 + 60 * 20  # no biases
    with torch.no_grad():
        code = (x.flatten(1) @ first).relu() @ second
        image = (code.relu() @ second.T).relu() @ first.T
    torch.testing.assert_close(model.encode(x), code.relu())
    torch.testing.assert_close(model.reconstruct(x).flatten(1), image.clamp(0, 1))


def test_a_layers_stage_is_a_shallow_autoencoder_with_a_random_encoder():
    model, x = build(AS_REPORTED), digits(10)
    stage = model.stages()[0]
    random, weight = model.layers[0].random, model.layers[0].weight
    features = (x.flatten(1) @ random.T).relu()
    expected = (features @ weight.T - x.flatten(1)).square().mean(1)
    torch.testing.assert_close(stage.loss(x, x).terms["layer_mse"], expected)
    # What is scored meanwhile is that net, its pixels cut to what pixels can be.
    seen = model.reconstruct(x).flatten(1)
    torch.testing.assert_close(seen, (features @ weight.T).clamp(0, 1))


def test_each_layer_has_its_own_random_encoder_and_each_seed_its_own():
    one, two = build(NET, seed=0), build(NET, seed=1)
    assert not torch.equal(one.layers[0].random, two.layers[0].random)
    bound = 784**-0.5
    assert one.layers[0].random.abs().max().item() == pytest.approx(bound, rel=0.01)


@pytest.mark.parametrize("choice", [NET, AS_REPORTED])
def test_the_closed_form_is_at_least_as_good_as_many_gradient_steps(choice):
    x = digits(300)
    left = {}
    for solver in ("gradient", "ridge"):
        model = build(f"{choice} model.solver={solver} model.ridge=[1e-8]")
        stage = model.stages()[0]
        train(stage, x, 400)
        left[solver] = stage.loss(x, x).total.mean().item()
    assert left["ridge"] < left["gradient"] < 0.5 * x.var(0).mean().item()


def test_fitting_to_the_deep_codes_makes_the_deep_net_reconstruct():
    left = {}
    for refit in ("true", "false"):
        model, x, _ = moved(f"{AS_REPORTED} model.solver=ridge model.refit={refit}", 300)
        left[refit] = model.scores(x, x)["mse"].mean().item()
    mean_image = x.var(0, correction=0).mean().item()
    assert left["true"] < 0.5 * mean_image
    assert left["false"] > mean_image  # the report's net, whose codes are all that is of use


def test_an_added_level_costs_accuracy_but_scores_go_through_finished_layers_only():
    model, x = build(f"{NET} model.solver=ridge"), digits(300)
    left = []
    for stage in model.stages():
        train(stage, x, 1)
        left.append(model.scores(x, x)["mse"].mean().item())
    first, refit, second, deep = left
    assert refit < first
    assert deep < second
    assert refit < deep < x.var(0).mean()


def test_the_state_tells_how_far_the_fit_has_come():
    model, x = build(f"{NET} model.solver=ridge"), digits(100)
    for stage in model.stages()[:3]:
        train(stage, x, 1)
    other = build(f"{NET} model.solver=ridge", seed=9)
    other.load_state_dict(model.state_dict())
    assert int(other.position) == 2
    assert torch.equal(other.reconstruct(x), model.reconstruct(x))


def regression(n: int = 200, m: int = 30, targets: int = 7):
    torch.manual_seed(0)
    h = torch.randn(n, m, dtype=torch.float64)
    return h, h[:, :targets] * 2 + 0.3 * torch.randn(n, targets, dtype=torch.float64)


def test_the_ridge_solution_satisfies_the_normal_equations():
    h, y = regression()
    sums = _ridge.gather([(h[:90], y[:90]), (h[90:], y[90:])])
    for share in (1e-8, 1e-2, 1.0):
        weights = _ridge.solve(sums, share)
        ridge = share * h.square().sum(0).mean()
        torch.testing.assert_close(h.T @ (y - h @ weights), ridge * weights)


def test_the_ridge_solution_does_not_depend_on_the_batches_or_the_scale():
    h, y = regression()
    whole = _ridge.solve(_ridge.gather([(h, y)]), 1e-2)
    parts = _ridge.solve(_ridge.gather(zip(h.split(7), y.split(7), strict=True)), 1e-2)
    scaled = _ridge.solve(_ridge.gather([(1e4 * h, y)]), 1e-2)
    torch.testing.assert_close(parts, whole)
    torch.testing.assert_close(1e4 * scaled, whole)


def test_a_dead_feature_gets_no_weight():
    h, y = regression()
    h[:, 3] = 0
    weights = _ridge.solve(_ridge.gather([(h, y)]), 1e-8)
    assert weights.isfinite().all()
    assert torch.equal(weights[3], torch.zeros(7, dtype=torch.float64))
    nothing = _ridge.solve(_ridge.gather([(torch.zeros_like(h), y)]), 1e-8)
    assert torch.equal(nothing, torch.zeros_like(nothing))


def test_validation_picks_the_ridge_and_without_it_the_median_is_taken():
    h, y = regression(n=40)
    new_h, new_y = regression(n=240)
    train_sums = _ridge.gather([(h, y)])
    validation = _ridge.gather([(new_h[40:], new_y[40:])])
    shares = [10.0, 1e-6, 1.0, 1e-2, 1e-1]
    weights, share = _ridge.fit(train_sums, validation, shares)
    errors = {
        s: (new_y[40:] - new_h[40:] @ _ridge.solve(train_sums, s)).square().sum().item()
        for s in shares
    }
    assert share == min(errors, key=errors.get)
    assert 1e-6 < share < 10
    torch.testing.assert_close(weights, _ridge.solve(train_sums, share))
    # Less ‖y‖², the error from the sums is the error from the images.
    expected = errors[share] - new_y[40:].square().sum().item()
    assert validation.error(weights) == pytest.approx(expected)
    assert _ridge.gather([]) is None
    assert _ridge.fit(train_sums, None, shares)[1] == 1e-1


def test_ridge_learns_to_denoise():
    x = digits(600)
    torch.manual_seed(0)
    noisy = x + 0.3 * torch.randn_like(x)
    left = {}
    for name, given in (("clean", x), ("noisy", noisy)):
        model = build("model=randomized model.latent_dim=100 model.solver=ridge")
        for stage in model.stages():
            train(stage, given, 1, target=x)
        left[name] = model.scores(noisy, x)["mse"].mean().item()
    assert left["noisy"] < 0.75 * left["clean"]


def test_ridge_with_another_output_than_linear_is_refused():
    with pytest.raises(UserError, match=r"model.output=sigmoid: must be linear"):
        config("model=randomized model.solver=ridge model.output=sigmoid")
