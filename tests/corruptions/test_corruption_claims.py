"""What each corruption does to pixels."""

import numpy as np
import pytest
import torch
from corruption_helpers import SHAPES, apply, configured
from PIL import Image
from pydantic import ValidationError

from ae_run import corruptions
from ae_run.composition import compose
from ae_run.config import validate
from ae_run.corruptions.occlusion import patch_size
from ae_run.data import Images
from ae_run.errors import UserError
from ae_run.images import DeviceImages
from ae_run.randomness import KeyedNoise
from ae_run.testing.corruptions import images as some_images
from ae_run.testing.corruptions import keyed

GREY = torch.full((200, 3, 28, 28), 0.4)
PIXELS = 200 * 28 * 28


def level(name, strength, **changes):
    config = configured(name)
    changed = type(config).model_validate({**dict(config), **changes})
    return corruptions.at_level(changed, strength)


def binomial(share, n=PIXELS):
    """Five standard deviations of a share of n draws."""
    return pytest.approx(share, abs=5 * (share * (1 - share) / n) ** 0.5)


@pytest.mark.parametrize("fraction", [0.05, 0.3, 1.0])
def test_salt_and_pepper_turns_half_of_the_share_black_and_half_white(fraction):
    corrupted = apply(level("salt_pepper", fraction), GREY)
    assert (corrupted == 0).float().mean().item() == binomial(fraction / 2)
    assert (corrupted == 1).float().mean().item() == binomial(fraction / 2)
    assert ((corrupted == 0.4) | (corrupted == 0) | (corrupted == 1)).all()


@pytest.mark.parametrize("fraction", [0.05, 0.3, 1.0])
def test_masking_sets_the_share_to_the_value(fraction):
    corrupted = apply(level("masking", fraction, value=0.7), GREY)
    assert (corrupted == 0.7).float().mean().item() == binomial(fraction)
    assert ((corrupted == 0.4) | (corrupted == 0.7)).all()


@pytest.mark.parametrize("name", ["salt_pepper", "masking", "occlusion"])
def test_hits_all_channels_of_a_pixel(name):
    corrupted = apply(level(name, 0.3), GREY)
    assert torch.equal(corrupted[:, :1].expand_as(corrupted), corrupted)


@pytest.mark.parametrize("name", ["salt_pepper", "masking"])
def test_a_pixel_that_is_hit_stays_hit_at_higher_levels(name):
    low, high = (apply(level(name, fraction), GREY) for fraction in (0.2, 0.5))
    hit = low != 0.4
    assert torch.equal(low[hit], high[hit])


@pytest.mark.parametrize("name", ["salt_pepper", "masking", "occlusion"])
def test_images_are_hit_in_different_places(name):
    # A patch of 13×13 has 169 places, of which 200 images take 117 on average.
    corrupted = apply(level(name, 0.3), GREY)
    assert len(torch.unique(corrupted.flatten(1), dim=0)) > 100


def test_gaussian_noise_has_its_mean_and_deviation():
    noise = apply(level("gaussian", 0.3, mean=0.1, clip=False), GREY) - GREY
    count = noise.numel()
    assert noise.mean().item() == pytest.approx(0.1, abs=5 * 0.3 / count**0.5)
    assert noise.std().item() == pytest.approx(0.3, rel=5 / (2 * count) ** 0.5)
    assert noise.min() < -1  # nothing is cut


def test_gaussian_noise_may_have_a_mean_that_is_its_variance():
    noisy = apply(level("gaussian", 0.5, mean="variance", clip=False), GREY)
    assert noisy.mean().item() == pytest.approx(0.4 + 0.25, abs=0.01)
    assert torch.equal(apply(level("gaussian", 0.0, mean="variance"), GREY), GREY)


def test_gaussian_noise_is_clipped_to_the_range():
    free, clipped = (apply(level("gaussian", 1.0, clip=clip), GREY) for clip in (False, True))
    assert torch.equal(free.clamp(0, 1), clipped)


def test_gaussian_noise_differs_in_each_channel():
    noise = apply(level("gaussian", 0.3, clip=False), GREY) - GREY
    rows = noise.transpose(0, 1).flatten(1)
    correlation = torch.corrcoef(rows) - torch.eye(3)
    assert correlation.abs().max() < 5 / rows.shape[1] ** 0.5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.25, 0.5, 0.9, 1.0])
def test_a_patch_covers_its_share_to_half_a_row(shape, fraction):
    height, width = shape[1:]
    h, w = patch_size(fraction, height, width)
    assert h <= height
    assert w <= width
    assert abs(h * w - fraction * height * width) <= (h + w + 1) / 2
    images = torch.full((50, *shape), 0.4)
    hit = apply(level("occlusion", fraction), images) == 0
    assert (hit.sum((2, 3)) == h * w).all()


def test_patches_lie_anywhere_and_inside():
    images = torch.full((3000, 1, 8, 8), 0.4)
    hit = (apply(level("occlusion", 1 / 16), images) == 0)[:, 0]  # 2×2 pixels
    top = hit.any(2).float().argmax(1)
    left = hit.any(1).float().argmax(1)
    counts = torch.bincount(top * 7 + left, minlength=49)
    expected = 3000 / 49
    chi_square = ((counts - expected).square() / expected).sum()
    assert chi_square < 48 + 5 * (2 * 48) ** 0.5


def test_a_centred_patch_is_in_the_centre():
    images = torch.full((2, 1, 28, 28), 0.4)
    hit = apply(level("occlusion", 0.25, position="centre", value=1.0), images) == 1
    assert hit[:, :, 7:21, 7:21].all()
    assert hit.sum() == 2 * 14 * 14


def test_full_grey_is_pillows():
    images = some_images((3, 20, 23)).mul(255).round().to(torch.uint8)
    grey = apply(level("grayscale", 1.0), images / 255)
    assert torch.equal(grey[:, :1].expand_as(grey), grey)
    for image, ours in zip(images, grey, strict=True):
        pillows = np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L"))
        assert np.abs(ours[0].numpy() * 255 - pillows).max() < 1


def test_grey_images_stay_as_they_are_under_grayscale():
    grey = some_images((1, 28, 28))
    assert torch.equal(apply(level("grayscale", 1.0), grey), grey)
    colour = grey.expand(-1, 3, -1, -1)
    assert torch.equal(apply(level("grayscale", 0.7), colour), colour)


def test_two_channels_are_averaged_to_grey():
    images = some_images((2, 8, 8))
    grey = apply(level("grayscale", 1.0), images)
    assert torch.allclose(grey[:, 0], images.mean(1))


def test_a_chain_is_its_steps_one_after_the_other():
    images, noise = some_images((3, 28, 28)), keyed()
    chain = configured("chain")
    assert list(chain.steps) == ["gaussian", "occlusion"]
    by_hand = corruptions.build(level("gaussian", 0.05))(images, noise)
    by_hand = corruptions.build(level("occlusion", 0.05))(by_hand, noise)
    assert torch.equal(apply(corruptions.at_level(chain, 0.5), images), by_hand)
    assert not torch.equal(apply(chain, images), by_hand)


def test_steps_of_a_chain_are_changed_added_and_left_out_on_the_command_line():
    chain = configured(
        "chain",
        "corruption.steps.gaussian.std=0.3",
        "~corruption.steps.occlusion",
        "+corruption@corruption.steps.dots=salt_pepper",
        "+corruption@corruption.steps.more=chain",
    )
    assert list(chain.steps) == ["gaussian", "dots", "more"]
    assert chain.steps["gaussian"].std == 0.3
    assert list(chain.steps["more"].steps) == ["gaussian", "occlusion"]
    assert apply(chain, some_images((1, 8, 8))).shape == (7, 1, 8, 8)


def test_a_chain_takes_a_list_of_steps():
    steps = [
        {"name": "masking", "fraction": 0.5, "value": 0.0},
        {"name": "grayscale", "strength": 1.0},
    ]
    chain = type(configured("chain")).model_validate(
        {"name": "chain", "strength": 1.0, "steps": steps}
    )
    assert [step.name for step in chain.steps.values()] == ["masking", "grayscale"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fraction": 2.0}, "corruption.steps.dots.fraction=2.0: must be less than or equal to 1"),
        ({"value": None}, "corruption.steps.dots.value: missing"),
        ({"name": "maskin"}, "name=maskin: no such name; did you mean 'masking'?"),
        ({"fractoin": 0.1}, "corruption.steps.dots.fractoin: no such key; did you mean"),
    ],
)
def test_an_error_in_a_step_names_it(changes, message):
    raw = compose("corruption=chain", "+corruption@corruption.steps.dots=masking")
    step = raw["corruption"]["steps"]["dots"] | changes
    raw["corruption"]["steps"]["dots"] = {k: v for k, v in step.items() if v is not None}
    with pytest.raises(UserError) as error:
        validate(raw)
    assert message in str(error.value)


def test_a_chain_needs_a_step():
    raw = compose("corruption=chain")
    raw["corruption"]["steps"] = {}
    with pytest.raises(UserError, match=r"corruption.steps: .*at least 1 item"):
        validate(raw)


def test_a_level_beyond_the_bounds_is_refused():
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        corruptions.at_level(configured("occlusion"), 1.5)


def test_at_std_0_the_mean_changes_nothing_either():
    for mean in (0.3, "variance"):
        assert torch.equal(apply(level("gaussian", 0.0, mean=mean), GREY), GREY)


def test_a_rescaled_split_spans_0_to_1_and_keeps_the_order_of_its_pixels():
    images = DeviceImages(Images(np.full((50, 1, 28, 28), 102, np.uint8)), torch.device("cpu"))
    plain = level("gaussian", 0.2, clip=False)
    scaled = level("gaussian", 0.2, clip=False, fixed=True, rescale=True)
    keys = torch.arange(50)
    before, after = (
        corruptions.of_split(config, images, keys)(images.slice(0, 50), KeyedNoise(keys))
        for config in (plain, scaled)
    )
    assert (after.min(), after.max()) == (0, 1)
    expected = (before - before.min()) / (before.max() - before.min())
    assert torch.allclose(after, expected, atol=1e-6)
    part = corruptions.of_split(scaled, images, keys)(images.slice(10, 20), KeyedNoise(keys[10:20]))
    assert torch.equal(part, after[10:20])


@pytest.mark.parametrize("changes", [{"fixed": False}, {"clip": True}])
def test_what_is_rescaled_is_fixed_and_not_clipped(changes):
    with pytest.raises(ValidationError, match=r"needs corruption\.fixed=true"):
        level("gaussian", 0.2, **{"fixed": True, "clip": False, "rescale": True, **changes})


def test_a_chain_has_no_fixed_noise():
    with pytest.raises(UserError, match=r"corruption\.steps\.gaussian\.fixed=true"):
        configured("chain", "corruption.steps.gaussian.fixed=true")
