"""Manifold convergence."""

import math

import numpy as np
import torch
from evaluation_helpers import CPU, Function

from ae_run.evaluation.convergence import converge
from ae_run.evaluation_config import ConvergenceConfig


def run(function, starts=4, max_steps=100, threshold=1e-5, seed=0, marks=()):
    options = ConvergenceConfig(
        starts=starts, max_steps=max_steps, threshold=threshold, marks=marks
    )
    return converge(options, Function(function), seed, CPU)


def test_halving_the_distance_rests_when_the_halves_are_small_enough():
    """The step x → c + (x − c)/2 moves by (x₀ − c)/2ᵗ at time t."""
    metrics, arrays = run(lambda x: 0.3 + (x - 0.3) / 2)
    start = arrays["frames"][:, 0] / 255
    for image, step in zip(start, metrics["rests_at"], strict=True):
        first = np.square(image - 0.3).mean()
        assert step == math.ceil(math.log(first / 1e-5, 4))
    assert metrics["steps"] == max(metrics["rests_at"])
    assert np.abs(arrays["frames"][:, -1] / 255 - 0.3).max() < 0.02


def test_a_model_that_keeps_its_input_rests_at_once():
    metrics, arrays = run(lambda x: x)
    assert metrics["rests_at"] == [1, 1, 1, 1]
    assert np.array_equal(arrays["frames"][:, 0], arrays["frames"][:, 1])


def test_a_model_that_never_rests_is_stopped():
    metrics, arrays = run(lambda x: 1 - x, max_steps=35)
    assert metrics["rests_at"] == [None] * 4
    assert metrics["steps"] == 35
    assert arrays["steps"].tolist() == [*range(11), 20, 30, 35]


def test_frames_of_every_start_are_kept_from_the_noise_on():
    _, arrays = run(lambda x: x.square(), starts=3, max_steps=230, threshold=0.0)
    assert arrays["frames"].dtype == np.uint8
    assert arrays["steps"].tolist() == [*range(11), *range(20, 101, 10), 200, 230]
    assert arrays["frames"].shape == (3, len(arrays["steps"]), 1, 8, 8)
    noise = arrays["frames"][:, 0].astype(float) / 255
    assert abs(noise.mean() - 0.5) < 0.1
    assert not np.array_equal(noise[0], noise[1])


def test_one_start_that_rests_waits_for_the_others():
    def slow_where_bright(x):
        still = x[:, :, :1, :1] < 0.5
        return torch.where(still, x, 0.9 * x + 0.05)

    metrics, _ = run(slow_where_bright, starts=8)
    assert min(metrics["rests_at"]) == 1
    assert metrics["steps"] == max(metrics["rests_at"]) > 1


def test_a_seed_gives_the_same_starts():
    first, second, third = (run(lambda x: x, seed=seed)[1]["frames"] for seed in (0, 0, 1))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_marks_note_when_larger_thresholds_would_have_stopped():
    halving = lambda x: 0.3 + (x - 0.3) / 2  # noqa: E731
    metrics, _ = run(halving, marks=(0.001, 10.0))
    assert metrics["rests_at_marks"]["10"] == [1] * 4
    assert metrics["rests_at_marks"]["0.001"] == run(halving, threshold=0.001)[0]["rests_at"]
    assert metrics["rests_at"] == run(halving)[0]["rests_at"]
