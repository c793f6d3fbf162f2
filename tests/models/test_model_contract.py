"""What every model must do, whatever the images: a new YAML file is tested unasked."""

from typing import cast

import pytest
import torch
from model_helpers import CHOICES, SHAPES, build, config, digits, train

from ae_run import models
from ae_run.testing import models as contract


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("choice", CHOICES)
def test_two_steps_of_every_stage_on_every_kind_of_image(choice, shape):
    contract.trains_and_keeps_shapes(config(choice).model, shape)


@pytest.mark.parametrize("check", contract.CHECKS[1:], ids=lambda check: check.__name__)
@pytest.mark.parametrize("choice", CHOICES)
def test_a_model_keeps_its_contract(choice, check):
    check(config(choice).model, (1, 28, 28))


DIM = [
    "experiment=colored_ae model.channels=[32,32,32,16]",
    "model=dense_ae model.widths=[100]",
    "model=contractive model.penalty=hutchinson model.latent_dim=20",
]


@pytest.mark.parametrize("choice", DIM)
def test_dim_images_do_not_end_all_black(choice):
    # From grey output the first steps overshoot into black, where a sigmoid has no gradient.
    x = digits(32) * torch.tensor([0.5, 0.1, 0.4])[:, None, None]
    model = build(choice, (3, 28, 28), data_mean=float(x.mean()))
    assert 0.05 < model.reconstruct(x).mean() < 0.25
    *_, stage = model.stages()
    losses = train(stage, x, 80, lr=3e-3)
    assert losses[-1] < 0.7 * x.square().mean()


LR = {"model=dense_ae": 2e-3}  # four layers deep: a higher rate kills its ten code units
OVERFIT = {
    # A penalty keeps a model from just that; its exact form takes long.
    "model=contractive": "model=contractive model.penalty=hutchinson model.penalty_weight=1e-7",
}


@pytest.mark.parametrize("choice", [c for c in CHOICES if " " not in c])
@pytest.mark.slow
def test_32_images_can_be_overfitted(choice):
    x = digits(32)
    model = build(OVERFIT.get(choice, choice)).train()
    with torch.no_grad():
        spread = (x - x.mean(0)).square().mean().item()
    for stage in model.stages():
        train(stage, x, 400, LR.get(choice, 5e-3))
    with torch.no_grad():
        left = model.eval().scores(x, x)["mse"].mean().item()
    assert left < 0.1 * spread, f"{left:.5f} of {spread:.5f}"


BIASED = [choice for choice in CHOICES if hasattr(config(choice).model, "output_bias")]


@pytest.mark.parametrize("choice", BIASED)
def test_pixels_start_near_the_mean_of_the_data_or_where_the_option_says(choice):
    for start, mean in (("data_mean", 0.13), ("data_mean", 0.42), (0.0, 0.5), (-1.5, 0.1824)):
        torch.manual_seed(0)
        options = config(f"{choice} model.output_bias={start}").model
        model = models.build(options, (1, 28, 28), data_mean=mean).eval()
        bias = cast("torch.Tensor", model.output_layer().bias)
        assert torch.sigmoid(bias).detach().numpy() == pytest.approx(mean, abs=1e-4)
        with torch.no_grad():  # the weights add to it, by chance in both directions
            pixels = model.decode(torch.zeros(1, model.latent_dim))
        assert pixels.mean().item() == pytest.approx(mean, abs=0.1)
