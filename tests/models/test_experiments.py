"""Presets: every experiment composes, validates, says what it is and builds."""

import pytest
import torch
from model_helpers import config

from ae_run import components, models
from ae_run.errors import UserError

EXPERIMENTS = components.options("experiment")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_and_validates_and_its_model_fits_the_images(name):
    run = config(f"experiment={name}")
    shape = (3, 28, 28) if run.data.name.startswith("colored") else (1, 28, 28)
    with torch.device("meta"):
        model = models.build(run.model, shape)
        images = torch.empty(2, *shape)
        assert model.encode(images).shape == (2, run.model.latent_dim)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_begins_with_what_it_is_and_its_command(name):
    path = components.conf_dir() / "experiment" / f"{name}.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith(("# ", "# ours: ")), "one line for --help"
    assert lines[2] == f"# ae-run experiment={name}"
    assert max(map(len, lines)) <= 100


def test_every_run_of_the_reports_has_its_experiment():
    assert {
        "compression",
        "notmnist_ae",
        "notmnist_denoising",
        "notmnist_vae",
        "generation_ae",
        "generation_ae_2d",
        "generation_vae",
        "zoo_shallow",
        "zoo_shallow_contractive",
        "zoo_shallow_denoising",
        "zoo_deep",
        "zoo_deep_contractive",
        "zoo_deep_denoising",
        "zoo_conv",
        "zoo_conv_denoising",
        "zoo_deep_conv",
        "zoo_deep_conv_pool",
        "zoo_deep_conv_pool_denoising",
        "zoo_randomized",
        "colored_ae",
        "colored_ae_dropout",
        "colored_vae",
    } <= set(EXPERIMENTS)


def test_an_experiment_built_on_another_differs_in_what_it_says_only():
    base, denoising = (config(f"experiment={name}") for name in ("zoo_conv", "zoo_conv_denoising"))
    assert (base.corruption.name, denoising.corruption.name) == ("none", "gaussian")
    assert denoising.corruption.std == 0.2
    assert denoising.model == base.model
    assert denoising.train == base.train


def test_the_command_line_wins_over_an_experiment():
    run = config("experiment=notmnist_denoising corruption.std=0.3 model.latent_dim=4 data=digits")
    assert (run.corruption.std, run.model.latent_dim, run.data.name) == (0.3, 4, "digits")


def test_denoising_brings_gaussian_noise_along():
    run = config("model=denoising")
    assert (run.model.name, run.corruption.name) == ("conv_ae", "gaussian")
    assert config("model=conv_ae").model == run.model.model_copy(
        update={"requires_corruption": False}
    )


@pytest.mark.parametrize("order", ["{} {}", "{1} {0}"])
def test_a_corruption_on_the_command_line_wins_over_denoisings_own(order):
    assert config(order.format("corruption=occlusion", "model=denoising")).corruption.name == (
        "occlusion"
    )


def test_denoising_without_a_corruption_is_refused():
    with pytest.raises(UserError) as caught:
        config("model=denoising corruption=none")
    assert str(caught.value) == (
        "corruption=none: a denoising model needs one; choose corruption=gaussian or another, "
        "or model=conv_ae for clean input"
    )
