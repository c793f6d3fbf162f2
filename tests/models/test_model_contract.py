"""What every model must do, whatever the images: a new YAML file is tested unasked."""

import copy
from typing import cast

import pytest
import safetensors.torch
import torch
from model_helpers import CHOICES, SHAPES, build, config, digits, train

from ae_run import models
from ae_run.models import LossTerms


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("choice", CHOICES)
def test_two_steps_of_every_stage_on_every_kind_of_image(choice, shape):
    model = build(choice, shape).train()
    x = torch.rand(3, *shape)
    for stage in model.stages():
        assert all(torch.isfinite(torch.tensor(train(stage, x, 2))))
    model.eval()
    with torch.no_grad():
        codes = model.encode(x)
        assert codes.shape == (3, config(choice).model.latent_dim) == (3, model.latent_dim)
        for images in (model.decode(codes), model.reconstruct(x)):
            assert images.shape == x.shape
            assert images.min() >= 0
            assert images.max() <= 1
        scores = model.scores(x, x)
    assert set(scores) == model.score_names()
    assert model.monitor in scores
    assert all(value.shape == (3,) and value.isfinite().all() for value in scores.values())


@pytest.mark.parametrize("choice", CHOICES)
def test_the_last_stage_gives_per_image_losses_with_gradients(choice):
    model, x = build(choice).train(), torch.rand(4, 1, 28, 28)
    *_, stage = model.stages()
    losses = stage.loss(x, x)
    assert isinstance(losses, LossTerms)
    assert losses.total.shape == (4,)
    assert all(value.shape == (4,) for value in losses.terms.values())
    if stage.solve is None:
        losses.total.mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in stage.parameters)


@pytest.mark.parametrize("choice", CHOICES)
def test_a_file_of_weights_gives_the_same_model_back(choice):
    model, x = build(choice), digits(5)
    for stage in model.stages():
        train(stage, x, 1)
    # Refuses tensors that share memory.
    content = safetensors.torch.save(model.state_dict())
    other = build(choice, seed=1)
    other.load_state_dict(safetensors.torch.load(content))
    for key, value in other.state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), key
    with torch.no_grad():
        assert torch.equal(other.eval().reconstruct(x), model.eval().reconstruct(x))


@pytest.mark.parametrize("choice", CHOICES)
def test_reconstructing_is_encoding_and_decoding_and_repeats(choice):
    model, x = build(choice), digits(5)
    for stage in model.stages():
        train(stage, x, 1)
    model.eval()
    with torch.no_grad():
        assert torch.equal(model.reconstruct(x), model.reconstruct(x))
        torch.testing.assert_close(model.reconstruct(x), model.decode(model.encode(x)))


@pytest.mark.parametrize("choice", CHOICES)
def test_a_model_runs_in_float64_and_as_a_copy(choice):
    model = copy.deepcopy(build(choice)).double()
    x = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    for stage in model.stages():
        train(stage, x, 1)
        assert stage.loss(x, x).total.dtype == torch.float64


@pytest.mark.parametrize("choice", CHOICES)
def test_a_model_trains_under_bfloat16_autocast_with_losses_in_float32(choice):
    model, x = build(choice), torch.rand(3, 1, 28, 28)
    for stage in model.stages():
        with torch.autocast("cpu", torch.bfloat16):
            losses = stage.loss(x, x)
        assert {value.dtype for value in [*losses.terms.values(), losses.total]} == {torch.float32}
        losses.total.mean().backward()


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
