"""The user's own arrays are read or refused in one clear message."""

import shutil
import zipfile

import numpy as np
import pytest
from data_helpers import make_config, pixels

from ae_run import data
from ae_run.data import _blocks, _cache, npz
from ae_run.errors import UserError

IMAGES = pixels(50, 9, 10)
LABELS = np.arange(50) % 5


def load(tmp_path, changes=None, **arrays) -> data.Source:
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    return npz.load(make_config("npz", path=str(path), **(changes or {})))


def by_bytes(source: data.Source) -> dict[bytes, str]:
    """The class name of each image."""
    images = np.concatenate([source.images, source.test_images])
    labels = np.concatenate([source.labels, source.test_labels])
    names = [source.class_names[label] for label in labels]
    return {image.tobytes(): name for image, name in zip(images, names, strict=True)}


EXPECTED = {image.tobytes(): str(label) for image, label in zip(IMAGES, LABELS, strict=True)}


def test_images_keep_their_labels_and_a_test_set_is_held_out(tmp_path):
    source = load(tmp_path, images=IMAGES, labels=LABELS)
    assert by_bytes(source) == EXPECTED
    assert source.test_images.shape == (10, 1, 9, 10)
    assert np.bincount(source.test_labels).tolist() == [2] * 5
    assert source.labels.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_from_0_to_1_give_the_same_pixels(tmp_path, dtype):
    source = load(tmp_path, images=(IMAGES / 255).astype(dtype), labels=LABELS)
    assert by_bytes(source) == EXPECTED


@pytest.mark.parametrize(
    ("images", "shape"),
    [
        (pixels(20, 9, 10), (1, 9, 10)),
        (pixels(20, 9, 10, 1), (1, 9, 10)),
        (pixels(20, 1, 9, 10), (1, 9, 10)),
        (pixels(20, 9, 10, 3), (3, 9, 10)),
        (pixels(20, 3, 9, 10), (3, 9, 10)),
        (pixels(20, 8, 8), (1, 8, 8)),
    ],
)
def test_channels_are_found_wherever_they_are(tmp_path, images, shape):
    source = load(tmp_path, {"labels_key": None}, images=images)
    assert source.images.shape[1:] == shape


def test_channels_last_keeps_colours(tmp_path):
    red = np.zeros((20, 8, 9, 3), np.uint8)
    red[..., 0] = 200
    source = load(tmp_path, {"labels_key": None}, images=red)
    assert (source.images[:][:, 0] == 200).all()
    assert (source.images[:][:, 1:] == 0).all()


def test_without_labels_all_images_are_of_one_class(tmp_path):
    source = load(tmp_path, {"labels_key": None}, images=IMAGES)
    assert source.class_names == ("all",)
    assert set(source.labels) == set(source.test_labels) == {0}


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([30, -1, 7], ("-1", "7", "30")),
        ([2.0, 0.0, 1.0], ("0", "1", "2")),
        (["dog", "ant", "cat"], ("ant", "cat", "dog")),
        ([True, False, True], ("False", "True")),
    ],
)
def test_labels_become_indices_of_the_sorted_values(tmp_path, values, names):
    labels = np.array(values)[np.arange(30) % 3]
    source = load(tmp_path, images=IMAGES[:30], labels=labels[:, None])
    assert source.class_names == names
    wanted = {
        image.tobytes(): str(int(label) if labels.dtype.kind == "f" else label)
        for image, label in zip(IMAGES, labels, strict=False)
    }
    assert by_bytes(source) == wanted


def test_a_test_set_of_its_own_is_kept(tmp_path):
    changes = {"test_images_key": "x", "test_labels_key": "y"}
    arrays = {"images": IMAGES[:40], "labels": LABELS[:40] + 3, "x": IMAGES[40:], "y": [9] * 10}
    source = load(tmp_path, changes, **arrays)
    assert source.images[:].tobytes() == IMAGES[:40].tobytes()
    assert source.test_images[:].tobytes() == IMAGES[40:].tobytes()
    assert source.class_names == ("3", "4", "5", "6", "7", "9")
    assert set(source.test_labels) == {5}


NAN = np.where(np.arange(90).reshape(9, 10) == 41, np.nan, 0.5)[None].repeat(5, 0)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": IMAGES[:0]}, "images: contains no images"),
        ({"images": NAN}, "images: contains NaN or infinity"),
        ({"images": np.full((5, 9, 9), np.inf)}, "images: contains NaN or infinity"),
        ({"images": IMAGES / 1.0}, r"images: floats from 0 to 255; must lie in \[0, 1\]"),
        ({"images": IMAGES / -255}, r"images: floats from -1 to -?0; must lie in \[0, 1\]"),
        ({"images": IMAGES.astype(np.int64)}, "images: dtype is int64; must be uint8, or float"),
        ({"images": IMAGES.astype(complex)}, "images: dtype is complex128"),
        ({"images": IMAGES > 100}, "images: dtype is bool"),
        ({"images": IMAGES.astype(str)}, "images: dtype is <U3"),
        ({"images": IMAGES[0]}, "images: shape is 9×10; must be N×H×W"),
        ({"images": np.uint8(3)}, "images: shape is a single number"),
        ({"images": pixels(5, 9, 9, 2)}, "images: shape is 5×9×9×2"),
        ({"images": pixels(5, 9, 9, 4)}, "images: shape is 5×9×9×4"),
        ({"images": pixels(5, 1, 9, 9, 1)}, "images: shape is 5×1×9×9×1"),
        ({"images": pixels(5, 7, 28)}, "images: images are 7×28; must be 8×8 or larger"),
        ({"images": np.array([IMAGES[0], IMAGES[1, 1:]], object)}, "object array .*mixed sizes"),
        ({"labels": LABELS[:-1]}, "labels: shape is 49, but there are 50 images"),
        ({"labels": np.int64(3)}, "labels: shape is a single number; must be one label"),
        ({"labels": np.eye(50)}, "labels: shape is 50×50; must be one label per image"),
        ({"labels": LABELS + 0.5}, "labels: contains NaN or fractions"),
        ({"labels": np.full(50, np.nan)}, "labels: contains NaN or fractions"),
        ({"labels": LABELS.astype(complex)}, "labels: dtype is complex128"),
        ({"labels": np.array([{}] * 50)}, "labels is an object array"),
        ({"images": IMAGES[:2], "labels": LABELS[:2]}, "data.test_fraction=0.2: .* of 2"),
    ],
)
def test_invalid_arrays_are_one_clear_error(tmp_path, arrays, words):
    with pytest.raises(UserError, match=words) as caught:
        load(tmp_path, **{"images": IMAGES, "labels": LABELS, **arrays})
    message = str(caught.value)
    assert str(tmp_path / "mine.npz") in message or "data." in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images_key": "x"}, "data.images_key=x: .* no such array; choices: images, labels"),
        ({"labels_key": "y"}, "data.labels_key=y: .*choices: images, labels, or null"),
        ({"test_images_key": "x"}, "data.test_images_key=x: .* no such array"),
        ({"test_images_key": "images"}, "labels of train and test must both be given"),
        ({"test_labels_key": "labels"}, "data.test_labels_key: needs data.test_images_key"),
    ],
)
def test_keys_that_do_not_fit_are_one_clear_error(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        load(tmp_path, changes, images=IMAGES, labels=LABELS)


def test_train_and_test_images_must_have_equal_shapes(tmp_path):
    changes = {"labels_key": None, "test_images_key": "x"}
    with pytest.raises(UserError, match=r"test images are 1×9×9, train images 1×9×10"):
        load(tmp_path, changes, images=IMAGES, x=pixels(5, 9, 9))


class Evil:
    """Unpickling it would run this."""

    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_nothing_is_ever_unpickled(tmp_path):
    with pytest.raises(UserError, match="object array"):
        load(tmp_path, images=np.array([Evil()], object), labels=LABELS)
    np.save(tmp_path / "mine.npy", np.array([Evil()], object))
    with pytest.raises(UserError, match="written by numpy"):
        npz.load(make_config("npz", path=str(tmp_path / "mine.npy")))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"something else", None])
def test_a_file_that_is_not_npz_is_one_clear_error(tmp_path, content):
    path = tmp_path / "mine.npz"
    if content is None:
        np.savez(path, images=IMAGES, labels=LABELS)
        content = path.read_bytes()[:-30]
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"data.path={path}: "):
        npz.load(make_config("npz", path=str(path)))


def test_a_single_array_is_refused_with_the_right_way(tmp_path):
    np.save(tmp_path / "mine.npy", IMAGES)
    with pytest.raises(UserError, match=r"must be an \.npz file written by numpy\.savez"):
        npz.load(make_config("npz", path=str(tmp_path / "mine.npy")))


@pytest.mark.parametrize("name", ["npz", "idx", "folder"])
@pytest.mark.parametrize(
    ("path", "words"), [(None, "data.path=null: must name"), ("nowhere", "data.path=nowhere: no")]
)
def test_a_missing_path_is_one_clear_error(name, path, words):
    with pytest.raises(UserError, match=words):
        data.load(make_config(name, path=path))


def test_a_text_file_is_not_npz(tmp_path):
    (tmp_path / "a.npz").write_text("images\n")
    with pytest.raises(UserError, match=r"a\.npz: not an \.npz file"):
        npz.load(make_config("npz", path=str(tmp_path / "a.npz")))


def header(shape: str, descr: str = "'|u1'") -> bytes:
    """The start of an `.npy` file whose header says anything."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117)
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text + b"\n"


def npz_of(path, content: bytes, compression: int = zipfile.ZIP_STORED) -> str:
    with zipfile.ZipFile(path / "mine.npz", "w", compression) as archive:
        archive.writestr("images.npy", content)
    return str(path / "mine.npz")


def flags_of(content: bytes, place: int, value: int) -> bytes:
    """A zip of one member with another 16-bit field in both of its headers."""
    changed = bytearray(content)
    central = content.rindex(b"PK\x01\x02")
    for at in (place, central + place + 2):
        changed[at : at + 2] = value.to_bytes(2, "little")
    return bytes(changed)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header("(1000000000, 1000, 1000)") + b"x", "its header says .* bytes .*, but it has 1"),
        (header("(10, 8, 8") + b"x" * 640, "cannot be read as"),
        (header("(-10, 8, -8)") + b"x" * 640, "its header says"),
        (header("(10, 8, 8)") + b"x" * 641, "its header says 640 bytes .*10×8×8.*it has 641"),
        (header("(10, 8, 8)", "'|O'") + b"x" * 640, "object array"),
        (header("(10, 8, 8)", "'<U999999999999'") + b"x", "cannot be read as"),
        (b"\x93NUMPY\x03\x00" + header("(10, 8, 8)")[8:], "array of numbers"),
        (b"something else", "cannot be read as"),
        (b"", "cannot be read as"),
    ],
)
def test_a_header_that_lies_is_one_clear_error(tmp_path, content, words):
    path = npz_of(tmp_path, content)
    with pytest.raises(UserError, match=words) as caught:
        npz.load(make_config("npz", path=path, labels_key=None))
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [(6, 1, "encrypted"), (8, 99, "compression"), (14, 12345, "CRC")],
    ids=["encrypted", "unknown compression", "wrong checksum"],
)
def test_members_that_cannot_be_unpacked_are_one_clear_error(tmp_path, place, value, words):
    path = tmp_path / "mine.npz"
    npz_of(tmp_path, header("(10, 8, 8)") + b"x" * 640)
    path.write_bytes(flags_of(path.read_bytes(), place, value))
    with pytest.raises(UserError, match=rf"data\.path={path}: .*{words}"):
        npz.load(make_config("npz", path=str(path), labels_key=None))
    assert not list((tmp_path / "cache").rglob("*.npy"))


@pytest.mark.parametrize("key", ["images", "labels"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, key):
    arrays = {"images": IMAGES, "labels": LABELS} | {key: np.zeros((4000, 64, 64), np.uint8)}
    room = 1_000_000  # 16 MB are to come out of a few kB
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(room, 0, room))
    for module in (_blocks, _cache):
        monkeypatch.setattr(module, "available_memory", lambda: room)
    np.savez_compressed(tmp_path / "mine.npz", **arrays)
    with pytest.raises(UserError, match=f"{key}: decoded, it takes 0.02 GB|more memory than"):
        npz.load(make_config("npz", path=str(tmp_path / "mine.npz")))


def test_labels_that_are_not_utf8_are_named_all_the_same(tmp_path):
    names = np.array(["caf\udce9", "\ud800", "ü"])[np.arange(50) % 3]
    source = load(tmp_path, images=IMAGES, labels=names)
    assert sorted(source.class_names) == ["\\ud800", "caf\\xe9", "ü"]
    "".join(source.class_names).encode()


def test_a_fortran_array_is_read_like_any_other(tmp_path):
    source = load(tmp_path, images=np.asfortranarray(IMAGES), labels=LABELS)
    assert by_bytes(source) == EXPECTED


def test_a_file_is_decoded_once_and_again_when_it_changes(tmp_path, monkeypatch):
    first = load(tmp_path, images=IMAGES, labels=LABELS)
    monkeypatch.setattr(npz.zipfile, "ZipFile", None)  # the second time it is not opened
    again = npz.load(make_config("npz", path=str(tmp_path / "mine.npz")))
    assert np.array_equal(again.images, first.images)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    changed = load(tmp_path, images=IMAGES[::-1], labels=LABELS)
    assert not np.array_equal(changed.images, first.images)
