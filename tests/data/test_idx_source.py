"""The user's own images in MNIST's format."""

import gzip
import struct

import numpy as np
import pytest
from data_helpers import idx_bytes, make_config, mnist_files, pixels, write_all

from ae_run.data import idx
from ae_run.errors import UserError

FILES = mnist_files()
PLAIN = {name.removesuffix(".gz"): gzip.decompress(content) for name, content in FILES.items()}


def load(path):
    return idx.load(make_config("idx", path=str(path)))


@pytest.mark.parametrize("files", [FILES, PLAIN, FILES | PLAIN], ids=["gzip", "plain", "both"])
def test_a_folder_like_mnists_has_its_own_test_set(tmp_path, files):
    write_all(tmp_path, files)
    source = load(tmp_path)
    assert source.images[:].tobytes() == pixels(60, 28, 28).tobytes()
    assert source.test_images[:].tobytes() == pixels(20, 28, 28, seed=1).tobytes()
    assert source.labels.tolist() == [i % 10 for i in range(60)]
    assert source.class_names == tuple("0123456789")


def test_other_spellings_are_found(tmp_path):
    names = {
        "emnist-letters-train-images.idx3-ubyte": PLAIN["train-images-idx3-ubyte"],
        "emnist-letters-train-labels.idx1-ubyte": PLAIN["train-labels-idx1-ubyte"],
        "emnist-letters-test-images.idx3-ubyte": PLAIN["t10k-images-idx3-ubyte"],
        "emnist-letters-test-labels.idx1-ubyte": PLAIN["t10k-labels-idx1-ubyte"],
    }
    write_all(tmp_path, names)
    assert len(load(tmp_path).test_images) == 20


def test_without_test_files_a_test_set_is_held_out(tmp_path):
    write_all(tmp_path, {name: content for name, content in FILES.items() if "train" in name})
    source = load(tmp_path)
    assert (len(source.images), len(source.test_images)) == (48, 12)


def test_labels_are_optional(tmp_path):
    write_all(tmp_path, {name: content for name, content in FILES.items() if "images" in name})
    assert load(tmp_path).class_names == ("all",)


def test_one_file_of_images_is_enough(tmp_path):
    path = tmp_path / "faces.idx"
    path.write_bytes(idx_bytes(pixels(20, 9, 12, 3)))
    assert load(path).images.shape == (16, 3, 9, 12)


def test_floats_are_taken_too(tmp_path):
    path = tmp_path / "faces.idx"
    content = struct.pack(">HBB3I", 0, 13, 3, 10, 8, 8) + np.ones(640, ">f4").tobytes()
    path.write_bytes(content)
    assert (load(path).images[:] == 255).all()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, r"contains no images: no file is named \*train-images\*"),
        ({"t10k-images": PLAIN["t10k-images-idx3-ubyte"]}, "contains no images"),
        (PLAIN | {"a-train-images": b""}, r"must have one file \*train-images\*, has a-train-"),
        (PLAIN | {"train-labels-idx1-ubyte": idx_bytes(pixels(59))}, "shape is 59, .* 60 images"),
        (PLAIN | {"train-labels-idx1-ubyte": b""}, "not an idx file"),
        (PLAIN | {"train-images-idx3-ubyte": idx_bytes(pixels(60, 784))}, "shape is 60×784"),
        (PLAIN | {"t10k-images-idx3-ubyte": idx_bytes(pixels(20, 20, 20))}, "must be equal"),
    ],
)
def test_invalid_files_are_one_clear_error(tmp_path, files, words):
    write_all(tmp_path, files)
    with pytest.raises(UserError, match=words) as caught:
        load(tmp_path)
    assert str(tmp_path) in str(caught.value)
