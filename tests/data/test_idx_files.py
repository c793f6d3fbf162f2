"""The idx format is read strictly."""

import gzip
import struct

import numpy as np
import pytest
from data_helpers import idx_bytes, pixels

from ae_run.data import _idx
from ae_run.errors import UserError

IMAGES = pixels(5, 4, 3)
GOOD = idx_bytes(IMAGES)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_plain_and_gzipped_files_read_alike(tmp_path, pack):
    path = tmp_path / "images"
    path.write_bytes(pack(GOOD))
    assert np.array_equal(_idx.read(path), IMAGES)


@pytest.mark.parametrize(
    ("code", "dtype"), [(9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")]
)
def test_other_types_come_in_this_machines_byte_order(tmp_path, code, dtype):
    numbers = np.array([1, 0, 100], dtype)
    path = tmp_path / "numbers"
    path.write_bytes(struct.pack(">HBBI", 0, code, 1, 3) + numbers.tobytes())
    found = _idx.read(path)
    assert found.tolist() == [1, 0, 100]
    assert found.dtype.isnative


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an idx file"),
        (b"\x89PNG\r\n", "not an idx file: starts with bytes 89 50 4e 47"),
        (b"\0\0\x07\x03" + GOOD[4:], "not an idx file"),
        (b"\0\0\x08\0", "not an idx file"),
        (GOOD[:10], "truncated in its header"),
        (GOOD[:-1], r"says 60 bytes of data \(5×4×3\), but it has 59"),
        (GOOD + b"!", "but it has more"),
        (struct.pack(">HBBII", 0, 8, 2, 2**31, 2**31), "more memory than there is"),
        (struct.pack(">HBBII", 0, 8, 2, 2**15, 2**16) + b"x", "but it has 1;"),
        (gzip.compress(GOOD, mtime=0)[:-9], "cannot be read"),
        (gzip.compress(GOOD, mtime=0)[:-8] + b"\xff" * 8, "cannot be read"),
        (gzip.compress(GOOD[:-1], mtime=0), "but it has 59"),
    ],
)
def test_anything_else_is_one_clear_error(tmp_path, content, words):
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        _idx.read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        _idx.read(tmp_path / "nothing")
