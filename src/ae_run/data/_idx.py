"""The idx format in which MNIST is published, plain or gzipped.

Two zero bytes, a byte for the type, a byte for the number of dimensions, each dimension as a
big-endian uint32, then the data: big-endian, last dimension fastest.
"""

import gzip
import math
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

import numpy as np

from ae_run.data import _arrays, _cache
from ae_run.errors import UserError

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_LARGEST = 1 << 32  # bytes of data; an invalid header must not fill the memory


def decode_set(paths: Iterable[Path]) -> _cache.Arrays:
    """The arrays of a data set published as MNIST's four files.

    Args:
        paths: images and labels of train, then of test.

    Raises:
        UserError: see `read`, `_arrays.to_images` and `_arrays.one_per_image`.
    """
    images, labels, test_images, test_labels = paths
    return {
        "images": _read_images(images),
        "labels": _read_labels(labels),
        "test_images": _read_images(test_images),
        "test_labels": _read_labels(test_labels),
    }


def _read_images(path: Path) -> np.ndarray:
    return _arrays.to_images(read(path), str(path))


def _read_labels(path: Path) -> np.ndarray:
    return _arrays.one_per_image(read(path), str(path)).astype(np.int64)


def read(path: Path) -> np.ndarray:
    """The array in an idx file, in this machine's byte order.

    Raises:
        UserError: the file is missing, corrupt, longer than its header says, or not an idx file.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as opened:
            return _parse(cast(IO[bytes], opened), path)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {error}; download it again") from None


def _parse(file: IO[bytes], path: Path) -> np.ndarray:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or head[3] not in range(1, 6):
        raise UserError(
            f"{path}: not an idx file: starts with bytes {head.hex(' ')}, must start with 00 00, a "
            f"type ({', '.join(f'{code:02x}' for code in _TYPES)}) and 1 to 5 dimensions"
        )
    raw_shape = file.read(4 * head[3])
    if len(raw_shape) < 4 * head[3]:
        raise UserError(f"{path}: truncated in its header; download it again")
    shape = [int(n) for n in np.frombuffer(raw_shape, ">u4")]
    dtype = np.dtype(_TYPES[head[2]])
    size = math.prod(shape) * dtype.itemsize
    if size > _LARGEST:
        raise UserError(f"{path}: its header says {size:,} bytes; at most {_LARGEST:,} are read")
    data = bytearray()
    while len(data) <= size and (chunk := file.read(1 << 20)):
        data += chunk
    if len(data) != size:
        found = "more" if len(data) > size else f"{len(data):,}"
        raise UserError(
            f"{path}: its header says {size:,} bytes of data ({'×'.join(map(str, shape))}), "
            f"but it has {found}; download it again"
        )
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
