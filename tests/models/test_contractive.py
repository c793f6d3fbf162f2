"""The contractive penalties against finite differences, torch.func and closed forms."""

import pytest
import torch
from model_helpers import build, config, digits, train
from torch import Tensor, nn

from ae_run.errors import UserError
from ae_run.models.contractive import hutchinson_penalty, jacobian_penalty, weights_penalty

CONV = "model=contractive model.channels=[3,4] model.strides=[2,2] model.paddings=[1,1] "
CONV += "model.pools=[1,1] model.widths=[12] model.latent_dim=5"
NETS = [
    CONV,
    f"{CONV} model.activation=tanh model.code_activation=sigmoid",
    f"{CONV} model.pools=[2,1] model.activation=gelu",
    "model=contractive model.trunk=dense model.widths=[20] model.latent_dim=5",
]


def penalties(model: nn.Module, x: Tensor, probes: int | None = None) -> Tensor:
    x = x.clone().requires_grad_()
    z = model.encode(x)
    return jacobian_penalty(x, z) if probes is None else hutchinson_penalty(x, z, probes)


def images(count: int) -> Tensor:
    torch.manual_seed(3)
    return torch.rand(count, 1, 8, 8, dtype=torch.float64)


def jacobians(model: nn.Module, x: Tensor) -> Tensor:
    """∂z/∂x per image by torch.func: (B, d, C·H·W)."""
    one = torch.func.jacrev(lambda image: model.encode(image[None])[0])
    return torch.stack([one(image).flatten(1) for image in x])


@pytest.mark.parametrize("choice", NETS)
def test_the_jacobian_penalty_equals_jacrevs_norm(choice):
    model, x = build(choice, (1, 8, 8)).double(), images(4)
    expected = jacobians(model, x).square().sum((1, 2))
    torch.testing.assert_close(penalties(model, x), expected, rtol=1e-12, atol=0)


def test_the_jacobian_penalty_equals_finite_differences():
    model, x = build(NETS[1], (1, 8, 8)).double(), images(2)
    step = 1e-5
    with torch.no_grad():
        moves = step * torch.eye(64, dtype=torch.float64).view(64, 1, 8, 8)
        columns = [
            (model.encode(image + moves) - model.encode(image - moves)) / (2 * step) for image in x
        ]
    expected = torch.stack([column.square().sum() for column in columns])
    torch.testing.assert_close(penalties(model, x), expected, rtol=1e-7, atol=0)


def test_the_jacobian_penalty_of_one_sigmoid_layer_is_the_papers():
    choice = "model=contractive model.trunk=dense model.widths=[] model.code_activation=sigmoid"
    model, x = build(choice, (1, 8, 8)).double(), images(4)
    h, w = model.encode(x), model.encoder[1].weight
    expected = (h * (1 - h)).square() @ w.square().sum(1)  # Rifai et al. 2011, section 3
    torch.testing.assert_close(penalties(model, x), expected)


def test_the_penaltys_gradient_equals_finite_differences():
    model, x = build(NETS[1], (1, 8, 8)).double(), images(3)
    weight = model.encoder[0].weight
    penalties(model, x).sum().backward()
    slope, step = weight.grad[1, 0, 1, 2].item(), 1e-5
    values = []
    for move in (step, -step):
        with torch.no_grad():
            weight[1, 0, 1, 2] += move
        values.append(penalties(model, x).sum().item())
        with torch.no_grad():
            weight[1, 0, 1, 2] -= move
    assert slope == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)


def test_hutchinsons_estimate_is_unbiased_and_gets_better_with_more_probes():
    model, x = build(CONV, (1, 8, 8)).double(), images(2)
    exact = penalties(model, x)
    torch.manual_seed(0)
    single = torch.stack([penalties(model, x, 1) for _ in range(400)]).detach()
    error = single.std(0) / 400**0.5
    assert (error > 0).all()
    assert ((single.mean(0) - exact).abs() < 4 * error).all()
    several = torch.stack([penalties(model, x, 16) for _ in range(100)]).detach()
    # Sixteen probes have a quarter of one's standard deviation; a bound with room for chance.
    assert (several.std(0) < 0.35 * single.std(0)).all()


def test_hutchinsons_estimate_of_a_single_code_is_exact():
    model, x = build(CONV.replace("dim=5", "dim=1"), (1, 8, 8)).double(), images(3)
    torch.testing.assert_close(penalties(model, x, 1), penalties(model, x))


def test_the_weights_penalty_is_the_jacobians_norm_without_activations():
    choice = "model=contractive model.trunk=dense model.penalty=weights model.widths=[20,10]"
    model, x = build(choice, (1, 8, 8)).double(), images(1)
    linear = nn.Sequential(*(m for m in model.encoder if isinstance(m, nn.Linear | nn.Flatten)))
    expected = torch.func.jacrev(lambda image: linear(image[None])[0])(x[0]).norm()
    torch.testing.assert_close(weights_penalty(model.encoder), expected)
    losses = model.loss(x.repeat(3, 1, 1, 1), x.repeat(3, 1, 1, 1))
    assert losses.terms["penalty"].tolist() == pytest.approx([expected.item()] * 3)


@pytest.mark.parametrize("penalty", ["jacobian", "hutchinson", "weights"])
def test_the_total_is_the_mse_plus_the_weighted_penalty(penalty):
    trunk = "dense" if penalty == "weights" else "conv"
    choice = f"model=contractive model.penalty={penalty} model.trunk={trunk}"
    losses = build(f"{choice} model.penalty_weight=0.25").loss(digits(4), digits(4))
    assert set(losses.terms) == {"mse", "penalty"}
    expected = losses.terms["mse"] + 0.25 * losses.terms["penalty"]
    torch.testing.assert_close(losses.total, expected)


@pytest.mark.parametrize("penalty", ["jacobian", "hutchinson"])
def test_training_with_the_penalty_contracts(penalty):
    x, after = digits(32), {}
    for weight in (0.0, 1e-2):
        choice = f"model=contractive model.penalty={penalty} model.penalty_weight={weight}"
        model = build(choice)
        train(model.stages()[0], x, 20)
        after[weight] = penalties(model, x).mean().item()
    assert after[1e-2] < 0.5 * after[0.0]


def test_dropout_uses_one_mask_for_code_and_jacobian():
    model = build(f"{CONV} model.dropout=0.5", (1, 8, 8)).double().train()
    x = images(3).requires_grad_()
    z = model.encode(x)
    rows = [torch.autograd.grad(z[:, j].sum(), x, retain_graph=True)[0] for j in range(5)]
    expected = sum(row.square().sum((1, 2, 3)) for row in rows)
    torch.testing.assert_close(jacobian_penalty(x, z), expected)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ("model.penalty=weights", "model.penalty=weights: .* choose model.trunk=dense"),
        ("model.batch_norm=true", "model.penalty=jacobian: .* set model.batch_norm=false"),
        ("model.trunk=dense model.batch_norm=true", "model.batch_norm=true: .* must be false"),
        ("model.trunk=dense model.flat_dropout=0.1", "model.flat_dropout=0.1: .* must be 0"),
        ("model.probes=0", "model.probes=0"),
        ("model.penalty_weight=-1", "model.penalty_weight=-1"),
    ],
)
def test_what_cannot_be_is_refused(options, rule):
    with pytest.raises(UserError, match=rule):
        config(f"model=contractive {options}")
