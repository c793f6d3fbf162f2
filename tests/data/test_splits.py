"""The split is deterministic, disjoint, stratified in every prefix, and says what it did."""

import numpy as np
import pytest
from data_helpers import make_config, pixels

from ae_run.data import Images, Source, _splits
from ae_run.errors import UserError

GOLDEN = [6, 11, 4, 10, 2, 9, 8, 1, 3, 7, 0, 5]  # of this seed, now and in every version
UNEVEN = np.repeat(np.arange(4), [500, 300, 150, 50])


def source(n: int = 200, n_test: int = 60) -> Source:
    """Random images, all different, of four classes."""
    images = pixels(n + n_test, 1, 8, 8)
    labels = np.arange(n + n_test) % 4
    return Source(Images(images[:n]), labels[:n], Images(images[n:]), labels[n:], tuple("abcd"))


def split(given: Source, **changes: object):
    return _splits.split(given, make_config("digits", **changes))


def rows(part) -> list[bytes]:
    return [image.tobytes() for image in part.images]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_every_prefix_has_the_classes_of_the_whole(seed):
    order = _splits.stratified_order(UNEVEN, seed)
    assert sorted(order) == list(range(1000))
    expected = np.arange(1, 1001)[:, None] * np.bincount(UNEVEN) / 1000
    found = np.cumsum(np.eye(4)[UNEVEN[order]], 0)
    assert np.abs(found - expected).max() < 2  # images


def test_a_seed_means_the_same_order_forever():
    labels = np.arange(12) % 3
    assert _splits.stratified_order(labels, 0).tolist() == GOLDEN
    assert _splits.stratified_order(labels, 1).tolist() != GOLDEN


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_splits_are_disjoint_complete_and_stratified(fraction):
    given = source()
    data = split(given, validation_fraction=fraction)
    train, validation = set(rows(data.train)), set(rows(data.validation))
    assert not train & validation
    assert train | validation == {image.tobytes() for image in given.images}
    assert set(rows(data.open_test())) == {image.tobytes() for image in given.test_images}
    assert len(data.validation) == 200 * fraction
    counts = np.bincount(data.validation.labels)
    assert counts.max() - counts.min() <= 1


def test_images_keep_their_labels():
    given = source()
    label_of = {
        image.tobytes(): label for image, label in zip(given.images, given.labels, strict=True)
    }
    data = split(given)
    for part in (data.train, data.validation):
        assert [label_of[row] for row in rows(part)] == part.labels.tolist()


def test_same_seed_same_split_other_seed_other_split():
    given = source()
    assert split(given).fingerprint == split(given).fingerprint
    assert split(given, split_seed=1).fingerprint != split(given).fingerprint


def test_fraction_zero_trains_on_everything():
    data = split(source(), validation_fraction=0.0)
    assert len(data.train) == 200
    assert data.validation.images.shape == (0, 1, 8, 8)


@pytest.mark.parametrize("limit", [10, 100, 1000])
def test_limit_keeps_a_prefix_of_train_and_validation_and_of_test(limit):
    given = source()
    whole, data = split(given, validation_fraction=0.0), split(given, limit=limit)
    n = min(limit, 200)
    assert len(data.train) + len(data.validation) == n
    assert rows(data.validation) + rows(data.train) == rows(whole.train)[:n]
    assert rows(data.open_test()) == rows(whole.open_test())[:limit]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"limit": 1}, "data.limit=1: leaves no validation image.* to 3 or more"),
        ({"limit": 2}, "data.limit=2: leaves no validation image.* to 3 or more"),
        ({"limit": 1, "validation_fraction": 0.6}, "data.limit=1: leaves no train.* to 2 or more"),
        ({"validation_fraction": 0.001}, "data.validation_fraction=0.001: leaves no validation"),
        ({"validation_fraction": 0.999}, "data.validation_fraction=0.999: leaves no train"),
    ],
)
def test_a_split_without_images_is_refused(changes, words):
    with pytest.raises(UserError, match=words):
        split(source(), **changes)


def test_the_named_limit_is_enough():
    split(source(), limit=3)
    split(source(), limit=2, validation_fraction=0.6)
    assert len(split(source(), limit=1, validation_fraction=0.0).train) == 1


def test_duplicates_across_splits_are_counted():
    given = source()
    plain = split(given)
    assert plain.twins == {"test_in_train_or_validation": 0, "validation_in_train": 0}

    position = {image.tobytes(): i for i, image in enumerate(given.images)}
    in_train = [position[row] for row in rows(plain.train)[:3]]
    in_validation = [position[row] for row in rows(plain.validation)[:2]]
    images, test_images = given.images[:], given.test_images[:]
    images[in_validation[0]] = images[in_train[0]]  # a validation image in train
    test_images[0] = images[in_train[1]]
    test_images[1] = images[in_train[1]]  # two test images equal to the same image count twice
    test_images[2] = images[in_validation[1]]
    images[in_train[2]] = images[in_train[1]]  # a duplicate within a split does not count
    twins = split(
        Source(Images(images), given.labels, Images(test_images), given.test_labels, tuple("abcd"))
    ).twins
    assert twins == {"test_in_train_or_validation": 3, "validation_in_train": 1}


def test_fingerprint_sees_one_pixel_and_one_label():
    given = source()
    prints = {split(given).fingerprint}
    given.test_images.array[7, 0, 3, 3] ^= 1
    prints.add(split(given).fingerprint)
    given.labels[5] = (given.labels[5] + 1) % 4
    prints.add(split(given).fingerprint)
    assert len(prints) == 3


def test_hold_out_is_stratified_and_leaves_the_rest_in_order():
    images = pixels(1000, 1, 8, 8)
    rest, test = _splits.hold_out(Images(images), UNEVEN, 0.2, seed=3)
    assert np.bincount(test.labels).tolist() == [100, 60, 30, 10]
    assert len(rest) == 800
    order = {image.tobytes(): i for i, image in enumerate(images)}
    kept, held = ([order[row] for row in rows(part)] for part in (rest, test))
    assert kept == sorted(kept)
    assert not set(kept) & set(held)


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_hold_out_refuses_an_empty_side(fraction):
    with pytest.raises(UserError, match=r"data\.test_fraction=.*of 10"):
        _splits.hold_out(Images(pixels(10, 1, 8, 8)), np.zeros(10, np.int64), fraction, seed=0)
