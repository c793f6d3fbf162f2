"""`data.binarize`: black and white images whose mean is the grey one."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import FAST
from data_helpers import make_config, pixels

from ae_run import components, data
from ae_run.data._binary import binarized
from ae_run.search.worker import load_images, save_images

# Of these pixels and seed 0, in every version.
GOLDEN = [0, 255, 0, 255, 255, 255, 255, 255]


def loaded(**changes):
    return data.load(make_config("digits", **changes))


def parts(dataset):
    return dataset.train, dataset.validation, dataset.open_test()


def test_pixels_are_black_or_white_with_their_grey_value_as_probability():
    for grey in (0, 1, 102, 254, 255):
        images = np.full((400, 1, 28, 28), grey, np.uint8)
        images[:, 0, 0, 0] = np.arange(400) % 256  # different images
        images[:, 0, 0, 1] = np.arange(400) // 256
        drawn = binarized(images, 0)[:, :, 1:]
        assert set(np.unique(drawn)) <= {0, 255}
        p = grey / 255
        error = (p * (1 - p) / drawn.size) ** 0.5
        assert abs(drawn.mean() / 255 - p) <= 4 * error


def test_a_draw_depends_on_image_and_seed_alone_and_is_the_same_for_ever():
    images = pixels(50, 3, 8, 8)
    drawn = binarized(images, 0)
    assert drawn.dtype == np.uint8
    assert np.array_equal(binarized(images[[7, 3]], 0), drawn[[7, 3]])
    assert not np.array_equal(binarized(images, 1), drawn)
    ramp = np.linspace(0, 255, 8).astype(np.uint8).reshape(1, 1, 2, 4)
    assert binarized(ramp, 0).ravel().tolist() == GOLDEN


def test_fixed_images_are_the_same_in_every_run_and_differ_by_the_split_seed():
    first, again = loaded(binarize="fixed"), loaded(binarize="fixed")
    assert first.grey is None
    assert first.fingerprint == again.fingerprint != loaded().fingerprint
    for one, other, grey in zip(parts(first), parts(again), parts(loaded()), strict=True):
        assert np.array_equal(one.images, other.images)
        assert np.array_equal(one.images, binarized(grey.images, 0))
        assert np.array_equal(one.labels, grey.labels)
    other = loaded(binarize="fixed", split_seed=1)
    assert not np.array_equal(first.open_test().images, other.open_test().images)


def test_drawn_anew_validation_and_test_are_fixed_and_the_grey_images_stay():
    fixed, drawn = loaded(binarize="fixed"), loaded(binarize="sample")
    for one, other in zip(parts(fixed), parts(drawn), strict=True):
        assert np.array_equal(one.images, other.images)
    assert np.array_equal(drawn.grey, loaded().train.images)


def test_duplicates_are_those_of_the_source():
    assert loaded(binarize="sample").twins == loaded().twins


def test_the_processes_of_a_search_get_the_grey_images_too(tmp_path):
    for way in ("none", "sample"):
        folder = tmp_path / way
        folder.mkdir()
        save_images(given := loaded(binarize=way), folder)
        found = load_images(folder)
        assert np.array_equal(found.train.images, given.train.images)
        assert (found.grey is None) == (way == "none")
    assert np.array_equal(found.grey, given.grey)


@pytest.mark.parametrize("name", components.options("data"))
def test_every_data_set_has_the_key(name):
    assert make_config(name).binarize == "none"
    assert make_config(name, binarize="sample").binarize == "sample"


@pytest.mark.slow
def test_bounds_are_marked_as_no_density_on_grey_images_and_not_on_binary_ones(cli):
    for way in ("none", "sample"):
        result = cli("model=vae", *FAST, f"data.binarize={way}", f"run_dir={way}")
        assert result.code == 0, result.err
        metrics = json.loads(Path(way, "metrics.json").read_text())
        page = Path(way, "report.html").read_text(encoding="utf-8")
        for text in (result.out, json.dumps(metrics), page):
            assert ("no density" in text) == (way == "none")
    with np.load("sample/artifacts.npz") as arrays:
        assert set(np.unique(arrays["samples_images"])) == {0, 255}
        assert set(np.unique(arrays["reconstruction_target"])) == {0, 255}


def test_an_unknown_way_is_refused_with_the_choices(cli):
    result = cli("data.binarize=often")
    assert result.code == 2
    assert "data.binarize=often" in result.err
    assert "'none', 'fixed' or 'sample'" in result.err
    result = cli(
        "data.binarize=sample",
        "corruption=gaussian",
        "corruption.fixed=true",
        "corruption.clip=false",
        "corruption.rescale=true",
    )
    assert result.code == 2
    assert "corruption.rescale=true" in result.err
