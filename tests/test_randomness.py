"""Random numbers: the same for the same image, and otherwise without any pattern."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ae_run.randomness import GeneratorNoise, KeyedNoise, derive_seed, generator, image_keys

N, PIXELS = 300, 784


def keys(n=N, seed=0):
    """Keys of images that differ in one pixel by one grey level from one to the next."""
    images = np.zeros((n, 1, 28, 28), np.uint8)
    for i in range(n):
        images[i].flat[i % PIXELS] = 1 + i // PIXELS + seed
    return image_keys(images)


LIKE = torch.empty(N)


def draw(kind, noise=None, *shape):
    return getattr(noise or KeyedNoise(keys()), kind)(LIKE, *(shape or (PIXELS,)))


def mix64(z):
    """SplitMix64's finalizer in Python's own integers."""
    mask = 2**64 - 1
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def test_keyed_numbers_are_those_of_splitmix64():
    key = keys()[3]
    stream = derive_seed(0, "image-noise", 1)
    start = mix64(int(key) ^ stream)
    expected = [
        (mix64((start + i * 0x9E3779B97F4A7C15) % 2**64) >> 40) / 2**24 for i in range(PIXELS)
    ]
    assert draw("uniform")[3].tolist() == expected


def test_uniform_numbers_are_uniform():
    numbers = draw("uniform").double()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers.flatten().numpy(), "uniform").pvalue > 0.001
    # Each image by itself, too.
    values = [stats.kstest(row.numpy(), "uniform").pvalue for row in numbers]
    assert stats.kstest(values, "uniform").pvalue > 0.001


def test_normal_numbers_are_standard_normal():
    numbers = draw("normal").double()
    count = numbers.numel()
    assert abs(numbers.mean()) < 5 / count**0.5
    assert abs(numbers.var() - 1) < 5 * (2 / count) ** 0.5
    assert abs((numbers**4).mean() - 3) < 5 * (96 / count) ** 0.5
    assert stats.kstest(numbers.flatten().numpy(), "norm").pvalue > 0.001


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_no_correlation_between_pixels_images_or_streams(kind):
    noise = KeyedNoise(keys())
    first, second = (draw(kind, noise).double() for _ in range(2))
    first, second = ((x - x.mean()) / x.std() for x in (first, second))
    for lag in (1, 2, 27, 28, 29, 392):
        product = first[:, lag:] * first[:, :-lag]
        assert abs(product.mean()) < 5 / product.numel() ** 0.5, f"pixels {lag} apart"
    for lag in (1, 2, 100):
        product = first[lag:] * first[:-lag]
        assert abs(product.mean()) < 5 / product.numel() ** 0.5, f"images {lag} apart"
    assert abs((first * second).mean()) < 5 / first.numel() ** 0.5


def test_radius_and_angle_behind_a_normal_number_are_independent():
    """They come from the same 64 bits, 24 each."""
    first = draw("uniform").double().flatten()
    radius = torch.log1p(-first).mul(-2).sqrt()
    cosine = (draw("normal").double().flatten() / radius).clamp(-1, 1)
    second = torch.arccos(cosine) / math.pi
    counts, *_ = np.histogram2d(first, second, bins=20, range=[[0, 1], [0, 1]])
    assert stats.chisquare(counts.ravel()).pvalue > 0.001


def test_every_bit_of_a_number_is_as_often_0_as_1():
    bits = (draw("uniform").double() * 2**24).long()
    shares = torch.stack([(bits >> place & 1).double().mean() for place in range(24)])
    assert (shares - 0.5).abs().max() < 5 * 0.5 / bits.numel() ** 0.5


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_an_images_numbers_do_not_depend_on_its_batch(kind):
    together = draw(kind, None, 3, 5, 7)
    for size in (1, 2, 64, 299):
        noise = KeyedNoise(keys()[:size])
        part = getattr(noise, kind)(LIKE[:size], 3, 5, 7)
        assert torch.equal(part, together[:size])


def test_rewinding_gives_the_same_streams_again():
    noise = KeyedNoise(keys())
    first, second = draw("normal", noise), draw("uniform", noise)
    noise.rewind()
    assert torch.equal(draw("normal", noise), first)
    assert torch.equal(draw("uniform", noise), second)
    assert not torch.equal(first, second)


def test_rewinding_keeps_types_apart():
    noise = KeyedNoise(keys())
    single = noise.uniform(LIKE, 5)
    noise.rewind()
    double = noise.uniform(LIKE.double(), 5)
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert torch.equal(single.double(), double)


def test_a_seed_gives_other_numbers():
    assert not torch.equal(draw("uniform", KeyedNoise(keys(), seed=1)), draw("uniform"))


def test_equal_images_have_equal_keys_and_others_do_not():
    images = np.random.default_rng(0).integers(0, 256, (50, 3, 8, 8), dtype=np.uint8)
    images[7] = images[3]
    found = image_keys(images).tolist()
    assert found[7] == found[3]
    assert len(set(found)) == 49
    assert min(found) >= 0
    flipped = np.ascontiguousarray(images[:, :, ::-1])
    assert not set(image_keys(flipped).tolist()) & set(found)
    # The bytes count, not how they lie in memory.
    assert image_keys(np.asfortranarray(images)).tolist() == found


def test_derived_seeds_differ_by_seed_purpose_and_epoch():
    seeds = {
        derive_seed(seed, purpose, epoch)
        for seed in range(20)
        for purpose in ("order", "noise", "step")
        for epoch in range(20)
    }
    assert len(seeds) == 20 * 3 * 20
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, "order", 3) == derive_seed(0, "order", 3)


def test_a_generator_is_new_at_every_call_and_repeats_from_its_seed():
    noise = GeneratorNoise(generator(0, "noise", 1))
    first, second = noise.normal(LIKE, 4), noise.normal(LIKE, 4)
    assert not torch.equal(first, second)
    again = GeneratorNoise(generator(0, "noise", 1))
    assert torch.equal(again.normal(LIKE, 4), first)
    assert again.uniform(LIKE.double(), 2, 3).shape == (N, 2, 3)
