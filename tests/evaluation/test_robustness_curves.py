"""Scores under corruption."""

import numpy as np
import pytest
import torch
from evaluation_helpers import CPU, Function, Linear, make_dataset
from helpers.configs import configured

from ae_run import corruptions
from ae_run.config import validate
from ae_run.errors import UserError
from ae_run.evaluation import robustness
from ae_run.evaluation.baselines import Pca
from ae_run.evaluation.image_scores import image_scores
from ae_run.evaluation_config import RobustnessConfig
from ae_run.images import DeviceImages
from ae_run.randomness import image_keys

DATA = make_dataset(test=40)
IMAGES = DeviceImages(DATA.open_test().images, CPU)
KEYS = image_keys(DATA.open_test().images)
PCA = Pca.fit(DATA.train, 4, CPU)


def scored(model, levels, name="gaussian", size=16, **changes):
    own = configured(f"corruption={name}").corruption
    corruption = type(own).model_validate({**dict(own), **changes})
    config = RobustnessConfig(corruption=corruption, levels=levels)
    with torch.no_grad():
        return robustness.curve(config, model, PCA, IMAGES, KEYS, size)


def test_level_0_has_the_clean_scores():
    model = Linear()
    target = IMAGES.slice(0, 40)
    with torch.no_grad():
        clean = image_scores(model.reconstruct(target), target)
    for name in ("gaussian", "occlusion", "masking", "chain"):
        scores, _ = scored(model, (0.0,), name)
        for key, values in clean.items():
            assert scores[key][0] == pytest.approx(values.mean().item(), rel=1e-5)
        assert scores["input_mse"] == [0.0]
        assert scores["input_psnr_db"][0] == pytest.approx(100)


def test_the_inputs_own_error_under_unclipped_noise_is_its_variance():
    scores, _ = scored(Linear(), (0.1, 0.4), clip=False)
    pixels = 40 * 64
    for level, mse in zip((0.1, 0.4), scores["input_mse"], strict=True):
        assert mse == pytest.approx(level**2, rel=5 * (2 / pixels) ** 0.5)


def test_a_model_that_keeps_its_input_has_the_inputs_scores():
    scores, arrays = scored(Function(lambda x: x), (0.1, 0.5))
    for name in ("mse", "psnr_db", "snr_db", "ssim"):
        assert scores[name] == scores[f"input_{name}"]
    assert np.array_equal(arrays["inputs"], arrays["outputs"])


def test_every_model_sees_the_same_corrupted_images():
    for name in ("gaussian", "occlusion", "salt_pepper"):
        first, second = (scored(model, (0.1, 0.3), name) for model in (Linear(2), Linear(8)))
        assert first[0]["input_mse"] == second[0]["input_mse"]
        assert np.array_equal(first[1]["inputs"], second[1]["inputs"])
        assert first[0]["mse"] != second[0]["mse"]


def test_scores_do_not_depend_on_the_batch_size():
    (first, pictures), (second, others) = (scored(Linear(), (0.2,), size=size) for size in (7, 40))
    assert first["mse"] == pytest.approx(second["mse"], rel=1e-5)
    assert first["ssim"] == pytest.approx(second["ssim"], rel=1e-5)
    assert np.abs(pictures["outputs"].astype(int) - others["outputs"]).max() <= 1


def test_the_baseline_is_pca_of_the_same_corrupted_images():
    scores, _ = scored(Function(PCA.reconstruct), (0.0, 0.3))
    assert scores["pca_mse"] == pytest.approx(scores["mse"])


def test_examples_are_one_row_per_level():
    scores, arrays = scored(Linear(), (0.0, 0.1, 0.2))
    assert arrays["inputs"].shape == arrays["outputs"].shape == (3, 6, 1, 8, 8)
    assert arrays["inputs"].dtype == np.uint8
    assert np.array_equal(arrays["inputs"][0], DATA.open_test().images[:6])
    assert scores["levels"] == [0.0, 0.1, 0.2]
    assert scores["n"] == 40
    assert (scores["corruption"], scores["level_name"]) == ("gaussian", "std")


def test_the_runs_own_corruption_has_a_curve_around_its_level():
    curve = robustness.curves(configured("corruption=masking"))["own"]
    assert curve.corruption.name == "masking"
    assert curve.levels == (0.0, 0.125, 0.25, 0.375, 0.5)


@pytest.mark.parametrize(
    ("overrides", "has_own"),
    [
        (("corruption=none",), False),
        (("corruption=gaussian", "corruption.std=0.37"), False),  # on the curve but for the level
        (("corruption=gaussian", "corruption.clip=false"), True),
        (("corruption=occlusion", "corruption.value=1.0"), True),
        (("corruption=occlusion", "evaluate.robustness=null"), True),
        (("corruption=masking", "corruption.fraction=0.0"), False),
        (("corruption=masking", "evaluate.own_levels=[]"), False),
        (("corruption=chain",), True),
    ],
)
def test_no_curve_is_scored_twice(overrides, has_own):
    assert ("own" in robustness.curves(configured(*overrides))) == has_own


def test_levels_of_the_own_curve_stay_in_bounds():
    found = robustness.curves(configured("corruption=grayscale"))["own"]
    assert found.levels == (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("overrides", "curve"),
    [
        (("corruption=gaussian", "corruption.std=0.3"), "gaussian"),
        (("corruption=masking",), "own"),
        (("corruption=masking", "evaluate.own_levels=[]"), None),
    ],
)
def test_denoising_scores_are_the_curves_at_the_runs_level(overrides, curve):
    config, model = configured(*overrides), Linear()
    with torch.no_grad():
        scores, per_image = robustness.denoising(config, model, PCA, IMAGES, KEYS)
        for end in ("input", "output"):
            for name, value in scores[end].items():
                assert np.nanmean(per_image[f"{end}_{name}"]) == pytest.approx(value, rel=1e-5)
        assert scores["curve"] == curve
        assert scores["level"] == corruptions.level(config.corruption)
        if curve is None:
            return
        points, arrays = robustness.curve(
            robustness.curves(config)[curve], model, PCA, IMAGES, KEYS, 16
        )
    place = points["levels"].index(scores["level"])
    assert arrays["mse"].mean(1) == pytest.approx(points["mse"], rel=1e-5)
    assert scores["pca"]["mse"] == pytest.approx(points["pca_mse"][place], rel=1e-5)
    for name, value in scores["output"].items():
        assert points[name][place] == pytest.approx(value, rel=1e-5)
        assert points[f"input_{name}"][place] == pytest.approx(scores["input"][name], rel=1e-5)


def test_a_level_beyond_the_corruptions_bounds_is_refused_before_training():
    raw = configured().dump()
    raw["evaluate"]["robustness"]["occlusion"]["levels"] = [0.0, 0.5, 2.0]
    with pytest.raises(UserError) as error:
        validate(raw)
    assert str(error.value) == (
        "evaluate.robustness.occlusion: levels: 2 is not a valid fraction: "
        "must be less than or equal to 1"
    )


def test_without_a_possible_level_there_is_no_curve_of_the_runs_own_corruption():
    config = configured("corruption=masking", "corruption.fraction=0.6", "evaluate.own_levels=[2]")
    assert robustness.OWN not in robustness.curves(config)
