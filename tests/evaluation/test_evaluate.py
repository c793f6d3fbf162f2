"""The whole evaluation of a run."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from evaluation_helpers import CPU, Function, Linear, WithPrior, make_dataset
from helpers.configs import configured

from ae_run import images
from ae_run.data import Images
from ae_run.errors import RunFailed
from ae_run.evaluation import code_scores, evaluate, likelihood, robustness
from ae_run.run_folder import RunFolder
from ae_run.training import snapshots

SMALL = ("evaluate.points=30", "evaluate.probe.mlp.epochs=3")
PROMISED = {
    "class_names",
    "test_mse",
    "samples_images",
    "samples_labels",
    "reconstruction_target",
    "reconstruction_input",
    "reconstruction_output",
    "reconstruction_labels",
    "worst_target",
    "worst_output",
    "worst_mse",
    "codes",
    "codes_labels",
    "codes_2d",
    "codes_2d_axes",
    "codes_thumbnails",
}


@pytest.fixture
def run(tmp_path):
    """Evaluate a model; return its metrics and arrays as they were written."""

    def evaluated(*overrides, model=None, dataset=None):
        folder = RunFolder(tmp_path)
        data = dataset or make_dataset()
        returned = evaluate(configured(*overrides), model or Linear(), data, folder, CPU)
        written = folder.read_json("metrics.json")
        if "null" not in json.dumps(written):
            assert written == json.loads(json.dumps(returned))
        return written, folder.read_arrays("artifacts.npz")

    return evaluated


@pytest.mark.parametrize("d", [1, 2, 12])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 23)])
@pytest.mark.parametrize("option", ["quick", "default", "full"])
def test_every_option_scores_every_code_size_and_image(run, option, shape, d):
    data = make_dataset(shape=shape)
    model = WithPrior(d, shape)
    small = () if option == "quick" else SMALL
    metrics, arrays = run(
        f"evaluate={option}", "corruption=masking", *small, model=model, dataset=data
    )
    assert set(arrays) >= PROMISED
    assert metrics["n"] == 25
    assert set(metrics) >= {
        "mse",
        "psnr_db",
        "snr_db",
        "ssim",
        "baseline",
        "denoising",
        "latent_dim",
    }
    assert np.mean(arrays["test_mse"]) == pytest.approx(metrics["mse"], rel=1e-5)
    expected = {"quick": set(), "default": {"softmax", "knn"}, "full": {"softmax", "mlp", "knn"}}
    assert set(metrics.get("probe", {})) == expected[option]
    assert set(metrics["robustness"]) == (
        set() if option == "quick" else {"gaussian", "occlusion", "own"}
    )
    assert ("log_likelihood" in metrics) == ("tsne_2d" in arrays) == (option == "full")
    assert ("convergence_frames" in arrays) == ("centroids_images" in arrays) == (option != "quick")
    assert ("codes_3d" in arrays) == (option != "quick" and d >= 3)
    for key, array in arrays.items():
        assert array.size, key
        assert not key.endswith("_images") or array.dtype == np.uint8


def test_the_same_run_has_the_same_scores_again(run):
    first, arrays = run(model=WithPrior())
    second, others = run(model=WithPrior())
    assert first == second
    assert all(np.array_equal(arrays[key], others[key]) for key in arrays)


def test_a_part_does_not_depend_on_the_others(run):
    options = ("evaluate=full", *SMALL)
    everything, arrays = run(*options, model=WithPrior())
    without, others = run(
        *options,
        "evaluate.robustness=null",
        "evaluate.convergence=null",
        "evaluate.tsne=[]",
        "evaluate.latent=null",
        model=WithPrior(),
    )
    assert all(everything[key] == without[key] for key in without if key != "robustness")
    assert all(np.array_equal(arrays[key], others[key]) for key in others)


def test_evaluation_changes_no_weight(run):
    model = Linear()
    before = model.basis.detach().clone()
    run("evaluate=full", *SMALL, model=model)
    assert torch.equal(model.basis, before)
    assert model.basis.grad is None


def test_scores_do_not_depend_on_the_batch_size(run):
    small, _ = run("evaluate.batch_size=7")
    large, _ = run("evaluate.batch_size=1000")
    assert small["mse"] == pytest.approx(large["mse"], rel=1e-5)
    assert small["baseline"]["pca"]["mse"] == pytest.approx(
        large["baseline"]["pca"]["mse"], rel=1e-5
    )


@pytest.mark.parametrize(
    "sizes", [{"validation": 0}, {"classes": 1}, {"train": 3, "validation": 1, "test": 1}]
)
def test_little_data_is_evaluated_too(run, sizes):
    metrics, _ = run("evaluate=full", *SMALL, dataset=make_dataset(**sizes))
    assert ("probe" not in metrics) == ("classes" in sizes)


def test_of_many_large_images_curves_and_latent_space_take_the_first_ones(run, monkeypatch):
    data = make_dataset()
    some = replace(data, train=data.train.select(slice(20)), _test=data._test.select(slice(10)))
    expected, _ = run(*SMALL, dataset=some)
    monkeypatch.setattr(robustness, "_MOST_WORK", 0)
    monkeypatch.setattr(robustness, "_LEAST_IMAGES", 10)
    monkeypatch.setattr(code_scores, "_MOST_PIXELS", 20 * 64)
    found, arrays = run(*SMALL, dataset=data)
    assert found["n"] == len(arrays["test_mse"]) == 25
    assert found["latent"]["n_train"] == 20
    nearest = (scores["latent"]["nearest"]["samples"] for scores in (found, expected))
    assert next(nearest) == next(nearest)
    assert found["latent"]["spread"] == expected["latent"]["spread"]
    assert found["probe"]["knn"]["n_train"] == 20
    for name, curve in found["robustness"].items():
        assert curve["n"] == 10
        assert curve["mse"] == expected["robustness"][name]["mse"]
    assert "n_train" not in expected["latent"]


def test_large_images_come_in_smaller_batches_and_as_many_are_shown(run, monkeypatch):
    options = (*SMALL, "corruption=gaussian", "evaluate.denoisers=20")
    expected, shown = run(*options)
    monkeypatch.setattr(images, "_USUAL_PIXELS", 4)
    metrics, arrays = run(*options)
    assert metrics["denoisers"] == expected["denoisers"]
    for name in shown:
        if name.startswith(("reconstruction", "examples", "denoisers")):
            np.testing.assert_allclose(arrays[name], shown[name], atol=1e-3)


def test_an_output_that_is_not_finite_in_a_single_image_is_an_error(run):
    def broken(x):
        return torch.where(x == x.flatten(1).amax(1).max(), float("nan"), x)

    with pytest.raises(RunFailed, match="not finite"):
        run(model=Function(broken))


def test_a_score_that_no_image_has_is_null(run):
    blank = make_dataset()
    blank.open_test().images.array[:] = 0
    metrics, _ = run(dataset=blank)
    assert metrics["snr_db"] is None


def test_the_density_is_the_mean_over_all_test_images_in_nats_with_its_standard_error(run):
    metrics, arrays = run(
        "evaluate.log_likelihood_samples=5", "evaluate.points=10", model=WithPrior()
    )
    each = -(make_dataset().open_test().images[:] / 255).sum((1, 2, 3))
    assert arrays["scores_log_likelihood"] == pytest.approx(each, rel=1e-4)
    assert metrics["log_likelihood"] == pytest.approx(each.mean(), rel=1e-4)
    assert metrics["log_likelihood_se"] == pytest.approx(each.std(ddof=1) / 5, rel=1e-4)
    assert metrics["log_likelihood_n"] == len(each) == 25
    assert metrics["log_likelihood_samples"] == 5


def test_a_bernoulli_likelihood_of_grey_pixels_is_no_density():
    model = Linear()
    grey, binary = (Images(np.full((2, 1, 8, 8), pixel, np.uint8)) for pixel in (7, 255))
    assert not likelihood.no_density(model, grey)
    model.likelihood = "gaussian"
    assert not likelihood.no_density(model, grey)
    model.likelihood = "bernoulli"
    assert "data.binarize" in likelihood.no_density(model, grey)["no_density"]
    assert not likelihood.no_density(model, binary)


def test_a_model_without_a_density_has_no_log_likelihood(run):
    metrics, _ = run("evaluate.log_likelihood_samples=5", model=Linear())
    assert "log_likelihood" not in metrics


def test_snapshots_of_the_run_come_along(run, tmp_path):
    taken = snapshots.Snapshots(
        configured(), make_dataset(), RunFolder(tmp_path), CPU, torch.float32
    )
    with torch.no_grad():
        taken.take(Linear(), 3)
    _, arrays = run("evaluate=quick")
    assert arrays["snapshots_epochs"].tolist() == [3]
    assert arrays["snapshots_images"].shape == (1, 10, 1, 8, 8)
    assert arrays["snapshots_target"].shape == (10, 1, 8, 8)


def test_the_worst_images_are_those_with_the_largest_error(run):
    _, arrays = run("evaluate.grid=4")
    assert arrays["worst_mse"].tolist() == sorted(arrays["test_mse"], reverse=True)[:4]
    place = int(np.argmax(arrays["test_mse"]))
    assert np.array_equal(arrays["worst_target"][0], make_dataset().open_test().images[place])


def test_reconstructions_show_the_runs_corruption(run):
    _, clean = run("evaluate=quick")
    _, noisy = run("evaluate=quick", "corruption=gaussian")
    assert np.array_equal(clean["reconstruction_input"], clean["reconstruction_target"])
    assert not np.array_equal(noisy["reconstruction_input"], noisy["reconstruction_target"])
    assert np.array_equal(noisy["reconstruction_target"], clean["reconstruction_target"])


def test_examples_give_the_scores_of_their_images(run):
    metrics, arrays = run("evaluate=quick", "corruption=gaussian", "corruption.clip=false")
    target = arrays["examples_target"] / 255
    for end in ("input", "output"):
        mse = np.square(arrays[f"examples_{end}"].astype(float) - target).mean((1, 2, 3))
        assert mse == pytest.approx(arrays[f"denoising_{end}_mse"][:100], rel=2e-3)
    assert arrays["test_mse"].mean() == pytest.approx(metrics["mse"], rel=1e-6)
    assert arrays["scores_ssim"].mean() == pytest.approx(metrics["ssim"], rel=1e-5)


def test_probes_can_look_at_corrupted_images_and_at_baselines(run):
    small = [option for option in SMALL if "probe" not in option]
    options = (*small, "corruption=gaussian", "corruption.std=3", "corruption.clip=false")
    clean, _ = run(*options, "evaluate.probe.baselines=[pixels,pca]")
    noisy, _ = run(*options, "evaluate.probe.baselines=[pixels]", "evaluate.probe.input=corrupted")
    for name in ("softmax", "knn"):
        assert set(clean["probe"][name]["baselines"]) == {"pixels", "pca"}
        assert clean["probe"][name]["baselines"]["pixels"]["accuracy"] > 0.9
        assert noisy["probe"][name]["baselines"]["pixels"]["accuracy"] < 0.9
