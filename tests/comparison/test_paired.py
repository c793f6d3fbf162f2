"""Paired differences: as SciPy computes them, reproducible, and never of images that differ."""

import numpy as np
import pytest
from scipy import stats

from ae_run import headline
from ae_run.comparison import paired, runs

MSE = headline.Lead("mse", clean=True)
RANDOM = np.random.default_rng(3)
ONE = RANDOM.gamma(2, 0.01, 400)
TWO = ONE + RANDOM.normal(0.001, 0.004, 400)


def test_mean_p_value_and_interval_are_those_of_scipy():
    found = paired.pairs([ONE, TWO], MSE)
    assert found.mean[0, 1] == pytest.approx(np.mean(ONE - TWO))
    assert found.p[0, 1] == pytest.approx(stats.ttest_rel(ONE, TWO).pvalue)
    interval = stats.bootstrap(
        (ONE - TWO,), np.mean, n_resamples=20000, method="percentile", rng=0
    ).confidence_interval
    width = interval.high - interval.low
    assert found.low[0, 1] == pytest.approx(interval.low, abs=0.05 * width)
    assert found.high[0, 1] == pytest.approx(interval.high, abs=0.05 * width)
    assert found.better[0, 1] == np.mean(ONE < TWO)


def test_of_a_likelihood_the_higher_is_the_better():
    found = paired.pairs([ONE, TWO], headline.Lead("log_likelihood", clean=True))
    assert found.mean[0, 1] == pytest.approx(np.mean(ONE - TWO))
    assert found.better[0, 1] == np.mean(ONE > TWO)


def test_a_pair_is_the_same_from_both_sides_and_every_time():
    found, again = paired.pairs([ONE, TWO], MSE), paired.pairs([ONE, TWO], MSE)
    assert found.mean[0, 1] == -found.mean[1, 0]
    assert found.low[0, 1] == pytest.approx(-found.high[1, 0])
    assert found.p[0, 1] == found.p[1, 0]
    assert np.array_equal(found.low, again.low)


def test_a_run_does_not_differ_from_itself():
    found = paired.pairs([ONE, ONE.copy()], MSE)
    assert found.mean.max() == found.low.max() == found.high.max() == 0
    assert found.p.min() == 1
    assert found.better[0, 1] == 0.5


def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    held = 0
    for seed in range(100):
        noise = np.random.default_rng(seed).normal(0.3, 1, 60)
        found = paired.pairs([noise, np.zeros(60)], MSE, seed)
        held += found.low[0, 1] <= 0.3 <= found.high[0, 1]
    assert 88 <= held <= 100


def test_scores_per_image_have_the_mean_that_the_run_reports(make):
    for kind in ("conv", "vae", "noisy"):
        run = runs.read(make(kind, kind))
        lead = headline.lead([run.metrics])
        each = paired.scores(run, lead)
        assert each is not None
        assert each.mean() == pytest.approx(lead.score(run.metrics), rel=1e-4)


def test_a_run_without_its_arrays_has_no_scores_per_image(make):
    path = make("conv", "run")
    (path / "artifacts.npz").write_bytes(b"PK\x03\x04 torn")
    run = runs.read(path)
    assert paired.scores(run, headline.lead([run.metrics])) is None
