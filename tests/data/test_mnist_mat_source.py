"""The `.mat` file: its images come out upright."""

import zlib

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from data_helpers import make_config, pixels, real_data

from ae_run import data
from ae_run.data import mnist, mnist_mat
from ae_run.errors import UserError

IMAGES = pixels(40, 28, 28)
ROWS = IMAGES.transpose(0, 2, 1).reshape(40, 784) / 255  # column by column, as MATLAB does
LABELS = np.arange(40)[:, None] % 10


def save(tmp_path, **arrays) -> None:
    folder = tmp_path / "MNIST-mat"
    folder.mkdir()
    scipy.io.savemat(folder / "MNIST.mat", arrays)


def load(tmp_path, **changes) -> data.Source:
    return mnist_mat.load(make_config("mnist_mat", root=str(tmp_path), **changes))


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_of_a_type_that_does_not_exist_are_one_clear_error(tmp_path, compressed):
    save(tmp_path, input_images=ROWS, output_labels=LABELS)
    path = tmp_path / "MNIST-mat" / "MNIST.mat"
    content = bytearray(path.read_bytes())
    behind = content.index(b"output_labels") + 16  # the name, filled up to a multiple of eight
    content[behind + 1] = 233
    if compressed:
        arrays, at = content[:128], 128
        while at < len(content):
            size = 8 + int.from_bytes(content[at + 4 : at + 8], "little")
            packed = zlib.compress(content[at : at + size])
            arrays += (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
            at += size
        content = arrays
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"\.mat file: numbers of the unknown type \d+"):
        load(tmp_path)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_images_come_upright_with_their_labels(tmp_path, dtype):
    save(tmp_path, input_images=ROWS.astype(dtype), output_labels=LABELS.astype(np.float64))
    source = load(tmp_path)
    label_of = {image.tobytes(): i % 10 for i, image in enumerate(IMAGES)}
    for images, labels in (
        (source.images, source.labels),
        (source.test_images, source.test_labels),
    ):
        assert [label_of[image.tobytes()] for image in images] == labels.tolist()
    assert (len(source.images), len(source.test_images)) == (32, 8)
    assert source.class_names == tuple("0123456789")


def test_keys_are_options(tmp_path):
    save(tmp_path, x=ROWS, y=LABELS)
    assert len(load(tmp_path, images_key="x", labels_key="y").images) == 32
    with pytest.raises(UserError, match=r"data\.images_key=input_images: .*; choices: x, y"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"input_images": ROWS[:, :-1]}, "shape is 40×783; must be one row of pixels per square"),
        ({"input_images": ROWS * 255}, r"floats from 0 to 255; must lie in \[0, 1\]"),
        ({"input_images": ROWS * np.nan}, "NaN"),
        (
            {"input_images": np.array([["x"] * 784] * 2, object)},
            "is of class cell; must be numbers",
        ),
        ({"input_images": scipy.sparse.csc_matrix(ROWS)}, "is of class sparse; must be numbers"),
        ({"input_images": "text"}, "is of class char; must be numbers"),
        ({"input_images": ROWS + 1j}, "complex numbers"),
        (
            {"output_labels": np.array([["x"]] * 40, object)},
            "output_labels: .*class cell; must be numbers",
        ),
        ({"output_labels": LABELS[:-1]}, "output_labels: shape is 39, but there are 40 images"),
        ({"output_labels": LABELS + 0.5}, "output_labels: contains NaN or fractions"),
    ],
)
def test_invalid_arrays_are_one_clear_error(tmp_path, arrays, words):
    save(tmp_path, **{"input_images": ROWS, "output_labels": LABELS, **arrays})
    with pytest.raises(UserError, match=words) as caught:
        load(tmp_path)
    assert str(tmp_path / "MNIST-mat" / "MNIST.mat") in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"something else", b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\0\2IM"]
)
def test_a_file_that_is_not_mat_is_one_clear_error(tmp_path, content):
    (tmp_path / "MNIST-mat").mkdir()
    (tmp_path / "MNIST-mat" / "MNIST.mat").write_bytes(content)
    with pytest.raises(UserError, match=r"MNIST\.mat: (cannot be read|MATLAB 7\.3)"):
        load(tmp_path)


def test_a_missing_file_is_named_with_its_place(tmp_path):
    with pytest.raises(UserError, match=r"MNIST-mat/MNIST\.mat: missing, and cannot be downloaded"):
        load(tmp_path)


def test_the_published_file_holds_mnists_training_images():
    root = str(real_data())
    config = make_config("mnist_mat", root=root)
    loaded = data.load(config)
    sizes = len(loaded.train), len(loaded.validation), len(loaded.open_test())
    assert sizes == (36_000, 12_000, 12_000)
    original = mnist.load(make_config("mnist", root=root, download=False))
    source = mnist_mat.load(config)
    names = np.array([int(name) for name in source.class_names])

    def pairs(images, labels):
        return sorted(
            (image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)
        )

    images = np.concatenate([source.images, source.test_images])
    labels = names[np.concatenate([source.labels, source.test_labels])]
    assert pairs(images, labels) == pairs(original.images, original.labels)
