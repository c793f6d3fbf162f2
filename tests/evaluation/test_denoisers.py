"""Classical denoisers beside a denoising run."""

import json

import numpy as np
import pytest
import torch
from command_line import FAST
from evaluation_helpers import CPU, Function, make_dataset
from helpers.configs import configured

from ae_run.evaluation import denoisers
from ae_run.evaluation.denoisers import DENOISERS
from ae_run.images import DeviceImages

NOISY = ("corruption=gaussian", "corruption.std=0.3")


def square(n: int = 6, channels: int = 1) -> torch.Tensor:
    """Bright squares on a dark ground (n, C, 20, 16)."""
    x = torch.full((n, channels, 20, 16), 0.2)
    x[:, :, 5:15, 4:12] = 0.8
    return x


def noise(x: torch.Tensor, std: float = 0.2) -> torch.Tensor:
    return x + std * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def error(x: torch.Tensor, target: torch.Tensor) -> float:
    return (x - target).square().mean().item()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", DENOISERS)
def test_each_removes_more_than_half_of_the_noise_from_a_square(name, channels):
    target = square(channels=channels)
    x_in = noise(target)
    value = DENOISERS[name].tuned(x_in, target)
    assert error(DENOISERS[name](x_in, value), target) < 0.5 * error(x_in, target)


@pytest.mark.parametrize("name", DENOISERS)
def test_none_mixes_images_or_channels_or_changes_flat_ones(name):
    denoiser = DENOISERS[name]
    flat = torch.full((2, 3, 9, 9), 0.4)
    torch.testing.assert_close(denoiser(flat, denoiser.values[0]), flat)
    x = flat.clone()
    x[0, 0, 4, 4] = 1
    changed = denoiser(x, denoiser.values[0])
    torch.testing.assert_close(changed[1], flat[1])
    torch.testing.assert_close(changed[0, 1:], flat[0, 1:])


def test_total_variation_approaches_the_smallest_value_of_its_objective():
    x = noise(square(1)).double()

    def objective(u: torch.Tensor) -> torch.Tensor:
        steps = (
            torch.nn.functional.pad(u.diff(dim=-2), (0, 0, 0, 1)).square()
            + torch.nn.functional.pad(u.diff(dim=-1), (0, 1)).square()
        )
        return (u - x).square().sum() / 2 + 0.3 * (steps + 1e-12).sqrt().sum()

    u = x.clone().requires_grad_()
    optimizer = torch.optim.Adam([u], 0.01)
    for _ in range(500):
        optimizer.zero_grad()
        objective(u).backward()
        optimizer.step()
    reached, best = (objective(v).item() for v in (denoisers.total_variation(x, 0.3), u.detach()))
    assert objective(x).item() - reached > 0.95 * (objective(x).item() - best)


def test_the_parameter_is_the_best_on_validation_and_without_it_the_middle_one():
    target = square()
    strong, weak = (
        DENOISERS["total_variation"].tuned(noise(target, s), target) for s in (0.3, 0.03)
    )
    assert strong > weak
    nothing = target[:0]
    assert DENOISERS["total_variation"].tuned(nothing, nothing) == 0.2


def test_all_are_scored_on_the_same_first_test_images_as_the_model():
    config = configured("model=denoising", *NOISY, "evaluate.denoisers=7")
    data = make_dataset()
    images = DeviceImages(data.open_test().images, CPU)
    with torch.no_grad():
        metrics, arrays = denoisers.compare(config, Function(lambda x: x), data, images, shown=4)
        again, _ = denoisers.compare(config, Function(lambda x: x * 0), data, images, shown=4)
    assert metrics["n"] == 7
    assert metrics["tuned_on"] == 20
    assert metrics["model"]["mse"] > 0
    scores = {name: metrics[name]["mse"] for name in DENOISERS}
    assert metrics["best"] == min(scores, key=lambda name: scores[name])
    assert {name: again[name] for name in DENOISERS} == {name: metrics[name] for name in DENOISERS}
    assert again["model"]["mse"] != metrics["model"]["mse"]
    assert arrays["output"].shape == (4, 1, 8, 8)
    assert arrays["output"].dtype == np.uint8


def test_a_run_says_them_in_the_terminal_on_its_page_and_in_its_metrics(cli, tmp_path):
    fast = [option for option in FAST if option != "evaluate=quick"]
    off = ["evaluate.robustness=null", "evaluate.latent=null", "evaluate.probe=null"]
    result = cli("model=denoising", *fast, *off, "evaluate.convergence=null", "run_dir=run")
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())["denoisers"]
    best = metrics["best"].replace("_", " ")
    (line,) = (line for line in result.out.splitlines() if line.startswith(f"  {best}"))
    assert f"PSNR {metrics[metrics['best']]['psnr_db']:.3g} dB" in line
    assert f"this run {metrics['model']['psnr_db']:.3g} dB" in line
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert "Classical denoisers" in page
    assert f"the output of the best classical denoiser ({best})" in page


def test_clean_runs_have_none(cli, tmp_path):
    cli(*FAST, "evaluate.denoisers=5", "run_dir=run")
    assert "denoisers" not in json.loads((tmp_path / "run/metrics.json").read_text())
