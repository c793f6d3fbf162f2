"""What every corruption keeps to; a new YAML file is tested unasked."""

import pytest
import torch
from corruption_helpers import (
    NAMES,
    SHAPES,
    apply,
    configured,
    drawn,
    keyed,
    some_images,
    some_keys,
)

from ae_run import components, corruptions
from ae_run.randomness import KeyedNoise

pytestmark = pytest.mark.parametrize("name", NAMES)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "×".join(map(str, shape)))
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])


def test_level_is_an_option(name):
    config = configured(name)
    level = corruptions.level_name(config)
    assert level in type(config).model_fields or config.name == "none"
    assert level == components.module("corruption", config.name).LEVEL


@shapes
@dtypes
@pytest.mark.parametrize("noise", [keyed, drawn])
def test_level_0_is_the_identity(name, shape, dtype, noise):
    images = some_images(shape, dtype=dtype)
    assert torch.equal(apply(corruptions.at_level(configured(name), 0), images, noise()), images)


@shapes
@dtypes
def test_keeps_shape_type_and_range(name, shape, dtype):
    images = some_images(shape, dtype=dtype)
    for noise in (keyed(), drawn()):
        corrupted = apply(configured(name), images, noise)
        assert corrupted.shape == images.shape
        assert corrupted.dtype == dtype
        assert corrupted.min() >= 0
        assert corrupted.max() <= 1


@shapes
@pytest.mark.parametrize("noise", [keyed, drawn])
def test_the_same_noise_gives_the_same_images(name, shape, noise):
    images, config = some_images(shape), configured(name)
    assert torch.equal(apply(config, images, noise()), apply(config, images, noise()))


@shapes
def test_an_image_is_corrupted_alike_in_every_batch(name, shape):
    images, keys, config = some_images(shape), some_keys(), configured(name)
    together = apply(config, images, KeyedNoise(keys))
    for i in (0, 3, 6):
        alone = apply(config, images[i : i + 1], KeyedNoise(keys[i : i + 1]))
        assert torch.equal(alone[0], together[i])
    assert torch.equal(apply(config, images[2:5], KeyedNoise(keys[2:5])), together[2:5])


def test_float32_and_float64_agree(name):
    single, double = (
        some_images((3, 20, 23), dtype=torch.float64).to(dtype)
        for dtype in (torch.float32, torch.float64)
    )
    difference = apply(configured(name), single).double() - apply(configured(name), double)
    assert difference.abs().max() < 1e-5


@shapes
def test_changes_neither_its_input_nor_the_noise(name, shape):
    images, noise, config = some_images(shape), keyed(), configured(name)
    before = images.clone()
    first = apply(config, images, noise).clone()
    assert torch.equal(images, before)
    noise.rewind()
    assert torch.equal(apply(config, images, noise), first)


def test_a_higher_level_changes_more(name):
    images, config = some_images((3, 28, 28), n=40), configured(name)
    full = corruptions.level(config)
    changes = [
        (apply(corruptions.at_level(config, share * full), images) - images).square().mean().item()
        for share in (0.0, 0.25, 0.5, 1.0)
    ]
    assert changes == sorted(changes)
    assert changes[-1] > 0 or config.name == "none"


def test_reads_nothing_back_from_the_device(name):
    """Tensors without data: to read a value, or a shape that depends on one, would raise."""

    class WithoutData:
        def uniform(self, like, *shape):
            return torch.empty(len(like), *shape, device=like.device, dtype=like.dtype)

        normal = uniform

    images = torch.empty(7, 3, 28, 28, device="meta")
    corrupted = apply(configured(name), images, WithoutData())
    assert corrupted.device.type == "meta"
    assert corrupted.shape == images.shape
