"""Images on the disk are the same as those in memory, and facts about them are found once."""

import numpy as np
import pytest
from data_helpers import make_config, pixels

from ae_run import data, processes
from ae_run.data import Images, Source, _facts, _mapped, _splits
from ae_run.errors import UserError

ARRAY = pixels(300, 3, 8, 9)
ROWS = np.random.RandomState(0).permutation(300)[:200]


@pytest.fixture
def mapped(tmp_path) -> np.ndarray:
    """The array, mapped from a file."""
    np.save(tmp_path / "images.npy", ARRAY)
    return np.load(tmp_path / "images.npy", mmap_mode="c")


@pytest.fixture
def npz(tmp_path):
    """A data set of which nothing is special but that it comes from a file."""
    path = tmp_path / "mine.npz"
    np.savez(path, images=pixels(400, 8, 8), labels=np.arange(400) % 3)
    return lambda **changes: data.load(make_config("npz", path=str(path), **changes))


@pytest.mark.parametrize("streamed", [False, True])
def test_a_selection_of_a_selection_is_that_of_an_array(mapped, streamed, monkeypatch):
    monkeypatch.setattr(_mapped, "BLOCK_BYTES", 5000)
    images = Images(mapped, ROWS, streamed).select(slice(10, 150)).select(np.array([5, 3, 99, 3]))
    expected = ARRAY[ROWS][10:150][[5, 3, 99, 3]]
    assert images.shape == expected.shape
    assert np.array_equal(images, expected)
    assert np.array_equal(images[np.array([3, 0])], expected[[3, 0]])
    assert images[0:0].shape == (0, 3, 8, 9)
    whole = Images(mapped, ROWS, streamed)
    assert len(list(whole.blocks())) > 5
    assert np.array_equal(np.concatenate(list(whole.blocks())), ARRAY[ROWS])


def test_streaming_reads_the_file_and_not_the_array(mapped):
    images = Images(mapped, ROWS, streamed=True)
    mapped[:] = 0  # in memory only: it is copied when it is written
    assert np.array_equal(images, ARRAY[ROWS])


def test_a_file_that_becomes_shorter_is_one_clear_error(mapped):
    images = Images(mapped, ROWS, streamed=True)
    with images.file.open("r+b") as file:
        file.truncate(2000)
    with pytest.raises(UserError, match=r"images\.npy: was truncated while it was read"):
        images[:]


@pytest.mark.parametrize(("memory", "streamed"), [(1.0, False), (1e-6, True), (0.0, True)])
def test_images_that_take_more_than_they_may_are_streamed(npz, memory, streamed):
    dataset = npz(memory=memory)
    parts = (dataset.train, dataset.validation, dataset.open_test())
    assert {part.images.streamed for part in parts} == {streamed}
    assert dataset.fingerprint == npz().fingerprint


def test_parts_of_one_mapped_array_are_their_own_images(mapped, tmp_path):
    labels = np.arange(300) % 3
    source = Source(
        Images(mapped[:200]), labels[:200], Images(mapped[200:]), labels[200:], tuple("abc")
    )
    dataset = _splits.split(source, make_config("npz", memory=0.0)).unmapped()
    order = _splits.stratified_order(labels[200:], 0)
    assert np.array_equal(dataset.open_test().images, ARRAY[200:][order])
    dataset.open_test().images.save(tmp_path)
    assert np.array_equal(Images.load(tmp_path), ARRAY[200:][order])


def test_a_large_file_is_read_and_not_mapped_where_asked_for(npz, monkeypatch):
    dataset = npz()
    monkeypatch.setattr(_mapped, "_LARGE", dataset.train.images.array.nbytes)
    read = dataset.unmapped()
    pairs = [(dataset.train, read.train), (dataset.open_test(), read.open_test())]
    pairs.append((dataset.validation, read.validation))
    assert [(a.images.streamed, b.images.streamed) for a, b in pairs] == [(False, True)] * 3
    assert all(np.array_equal(a.images, b.images) for a, b in pairs)


def test_half_of_the_free_memory_is_the_default(npz, monkeypatch):
    size = 400 * 64
    for free, streamed in ((2 * size, False), (2 * size - 1, True)):
        monkeypatch.setattr(_splits, "available_memory", lambda free=free: free)
        assert npz().train.images.streamed == streamed


def test_facts_are_found_once_and_again_for_other_splits_or_images(npz, tmp_path, monkeypatch):
    first, seen = npz(), []
    found = _facts._found
    monkeypatch.setattr(_facts, "_found", lambda *parts: seen.append(1) or found(*parts))
    again = npz()
    assert (again.fingerprint, again.twins, again.mean_pixel) == (
        first.fingerprint,
        first.twins,
        first.mean_pixel,
    )
    assert seen == []
    assert npz(split_seed=1).fingerprint != first.fingerprint
    assert len(seen) == 1
    np.savez(tmp_path / "mine.npz", images=pixels(400, 8, 8, seed=1), labels=np.arange(400) % 3)
    assert npz().fingerprint != first.fingerprint
    assert len(seen) == 2


def test_the_mean_pixel_is_that_of_training_images(npz):
    dataset = npz()
    assert dataset.mean_pixel == float(dataset.train.images[:].mean() / 255)


def test_a_limit_of_a_cgroup_counts(tmp_path):
    inner = tmp_path / "cg/memory/box/job"
    inner.mkdir(parents=True)
    for folder, limit in ((inner, 2**62), (inner.parent, 5000)):
        (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
        (folder / "memory.stat").write_text("cache 3000\ntotal_cache 3000\ntotal_rss 1200\n")
    (tmp_path / "own").write_text("9:name=systemd:/\n4:memory:/box/job\n")
    assert min(processes._left_in_cgroups(tmp_path / "cg", tmp_path / "own")) == 3800

    box = tmp_path / "v2/box"
    box.mkdir(parents=True)
    (box / "memory.max").write_text("9000\n")
    (box / "memory.stat").write_text("anon 4000\nfile 3000\n")
    (tmp_path / "own").write_text("0::/box\n")
    assert processes._left_in_cgroups(tmp_path / "v2", tmp_path / "own") == [5000]
    (box / "memory.max").write_text("max\n")
    assert processes._left_in_cgroups(tmp_path / "v2", tmp_path / "own") == []
