"""The scores that lead, and the warning where a baseline is better."""

import json

import pytest
from command_line import FAST

from ae_run import headline

CLEAN = {
    "n": 1200,
    "mse": 0.005,
    "psnr_db": 23.0,
    "baseline": {"pca": {"mse": 0.001, "components": 32}, "mean": {"mse": 0.05}},
}
DENOISING = {
    "corruption": "grayscale",
    "input": {"mse": 0.0058},
    "output": {"mse": 0.0036, "psnr_db": 24.4},
    "pca": {"mse": 0.0059},
}
BOTH = CLEAN | {"denoising": DENOISING}


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_a_run_with_a_corruption_leads_with_the_input_it_was_trained_for():
    lines = rows(headline.table(BOTH))
    assert lines[0][-5:] == ["PCA-32", "mean", "image", "the", "input"]
    assert lines[1] == ["grayscale", "input,", "as", "in", "training"]
    assert lines[2] == ["MSE", "0.00360", "0.00590", "0.05000", "0.00580"]
    assert lines[4] == ["clean", "input"]
    assert lines[5] == ["MSE", "0.00500", "0.00100", "0.05000"]


def test_a_clean_run_has_one_block_without_a_title():
    assert [line[0] for line in rows(headline.table(CLEAN))] == ["test,", "MSE", "PSNR"]


def test_a_variational_run_shows_its_bound_first():
    lines = rows(headline.table({"nelbo": 123.456} | CLEAN))
    assert lines[1] == ["negative", "ELBO", "123.46", "nats"]


def test_bounds_that_are_no_density_say_so_below_the_scores():
    noted = {"nelbo": 123.456, "no_density": headline.NO_DENSITY} | CLEAN
    text = headline.table(noted)
    assert "no density" in text
    assert "data.binarize=fixed" in text
    assert max(map(len, text.splitlines())) <= 80


def test_bounds_of_grey_and_of_binary_images_are_not_compared():
    binary = {"nelbo": 90.0, "bce": 70.0} | CLEAN
    grey = binary | {"no_density": headline.NO_DENSITY}
    assert headline.lead(iter([grey, grey])).key == "nelbo"
    assert headline.lead(iter([binary, binary])).key == "nelbo"
    assert headline.lead(iter([grey, binary])).key == "mse"


def test_several_seeds_show_mean_and_standard_deviation():
    scores = {
        "denoising.output.mse": {"mean": 0.0037, "sd": 0.0002},
        "mse": {"mean": 0.0051, "sd": 0.0001},
    }
    text = headline.table(BOTH, {"seeds": [0, 1], "scores": scores})
    assert "over 2 seeds" in text
    assert "0.00370 ± 0.00020" in text
    assert "0.00510 ± 0.00010" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_score_that_no_image_has_is_a_dash():
    assert rows(headline.table(CLEAN | {"psnr_db": None}))[2] == ["PSNR", "-"]


@pytest.mark.parametrize(
    ("mse", "says"),
    [
        (0.06, "the 0.05 of the mean training image"),
        (0.0058, "the 0.0058 of the corrupted input"),
        (0.002, "the 0.0015 of PCA"),
    ],
)
def test_the_easiest_baseline_that_is_not_beaten_is_named_once(mse, says):
    own = DENOISING | {"output": {"mse": mse}, "pca": {"mse": 0.0015}}
    (warning,) = headline.warnings(BOTH | {"denoising": own}, 0.005, 10, 10)
    assert says in warning
    assert "on grayscale input" in warning
    assert "\n" not in warning


def test_a_run_that_beats_its_baselines_has_no_warning():
    assert headline.warnings(BOTH, 0.005, 10, 10) == []


def test_what_to_try_first_depends_on_the_best_epoch():
    (late,) = headline.warnings(CLEAN, 0.005, 10, 10)
    (early,) = headline.warnings(CLEAN, 0.005, 10, 2)
    assert "try more epochs (now 10)" in late
    assert "try a smaller train.lr (now 0.005), more images or a smaller model" in early
    assert "best at epoch 2 of 10" in early


def test_a_best_epoch_in_the_first_half_says_what_would_have_saved_the_rest():
    (note,) = headline.notes(500, 191, None)
    assert "the best epoch was 191 of 500" in note
    assert "train.epochs=191 saves the other 309" in note
    assert "train.patience=N" in note


@pytest.mark.parametrize(
    ("epochs", "best", "patience"),
    [(500, 300, None), (12, 5, None), (500, 191, 400), (9, None, None)],
)
def test_epochs_that_helped_or_were_few_get_no_note(epochs, best, patience):
    assert headline.notes(epochs, best, patience) == []


def test_a_run_worse_than_its_baselines_says_so_in_terminal_log_and_run_json(cli):
    result = cli(*FAST, "train.lr=10")
    (warning,) = json.loads((result.folder / "run.json").read_text())["warnings"]
    assert "try a smaller train.lr (now 10)" in warning or "more epochs (now 2)" in warning
    assert f"warning: {warning}" in result.out.splitlines()
    assert warning in (result.folder / "log.txt").read_text()


def test_a_denoising_run_prints_both_kinds_of_input(cli):
    out = cli(*FAST, "model=denoising").out
    assert out.index("gaussian input, as in training") < out.index("\nclean input\n")
    assert "the input" in out


NOISY = {"denoising": DENOISING | {"level": 0.5}}
BOUND = {"nelbo": 3.0, "bce": 2.0}
DENSITY = BOUND | {"log_likelihood": -2.5, "log_likelihood_samples": 5}


@pytest.mark.parametrize(
    ("runs", "key", "clean"),
    [
        ([CLEAN | BOUND], "nelbo", False),
        ([CLEAN | BOUND, CLEAN], "mse", False),
        ([CLEAN | DENSITY, CLEAN | DENSITY], "log_likelihood", False),
        ([CLEAN | DENSITY, CLEAN | BOUND], "nelbo", False),
        ([CLEAN | DENSITY, CLEAN | DENSITY | {"log_likelihood_samples": 6}], "nelbo", False),
        ([CLEAN | BOUND, CLEAN | {"nelbo": 3.0, "nll": 2.0}], "mse", False),
        ([BOTH, BOTH], "mse", False),
        ([BOTH, CLEAN], "mse", True),
        ([BOTH, CLEAN | NOISY], "mse", True),
    ],
)
def test_runs_are_ranked_by_a_score_that_means_the_same_for_all(runs, key, clean):
    assert headline.lead(runs) == headline.Lead(key, clean)


def test_the_leading_score_is_that_of_the_input_that_counts_and_the_mean_over_seeds():
    assert headline.lead([BOTH]).score(BOTH) == 0.0036
    assert headline.lead([BOTH, CLEAN]).score(BOTH) == 0.005
    scores = {"denoising.output.mse": {"mean": 0.0037, "sd": 0.0002}}
    assert headline.lead([BOTH]).score(BOTH, {"seeds": [0, 1], "scores": scores}) == 0.0037
