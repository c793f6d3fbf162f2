"""The idx format in which MNIST is published, plain or gzipped.

Two zero bytes, a byte for the type, a byte for the number of dimensions, each dimension as a
big-endian uint32, then the data: big-endian, last dimension fastest.
"""

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np

from ae_run.data import _arrays, _blocks, _cache, _files
from ae_run.errors import UserError

_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_ADVICE = "; download it again"


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
        UserError: see `opened`; or there is no memory for it.
    """
    with opened(path) as blocks:
        return blocks.whole()


@contextmanager
def opened(path: Path) -> Iterator[_blocks.Blocks]:
    """The array in an idx file, to be read block by block.

    Raises:
        UserError: the file is missing, corrupt, longer than its header says, or not an idx file.
    """
    with _files.reading(f"{path}: cannot be read", _ADVICE):
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if zipped else path.open("rb") as opened:
            yield _header(cast(IO[bytes], opened), path)


def _header(file: IO[bytes], path: Path) -> _blocks.Blocks:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or head[3] not in range(1, 6):
        raise UserError(
            f"{path}: not an idx file: starts with bytes {head.hex(' ')}, must start with 00 00, a "
            f"type ({', '.join(f'{code:02x}' for code in _TYPES)}) and 1 to 5 dimensions"
        )
    raw_shape = file.read(4 * head[3])
    if len(raw_shape) < 4 * head[3]:
        raise UserError(f"{path}: truncated in its header{_ADVICE}")
    shape = tuple(int(n) for n in np.frombuffer(raw_shape, ">u4"))
    dtype = np.dtype(_TYPES[head[2]])
    return _blocks.Blocks(str(path), file, shape, dtype, advice=_ADVICE)
