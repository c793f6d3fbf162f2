"""Read an array from a file block by block, once its size has been compared with what there is."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np

from ae_run.data import _arrays, _cache
from ae_run.data._mapped import BLOCK_BYTES
from ae_run.errors import UserError
from ae_run.processes import available_memory


@dataclass(frozen=True)
class Blocks:
    """An array (N, …) as its file's header describes it; the file is at the array's first byte."""

    where: str
    """Names the array in messages."""
    file: IO[bytes]
    shape: tuple[int, ...]
    dtype: np.dtype
    by_columns: bool = False
    """Whether the first dimension is the fastest, as in Fortran."""
    advice: str = ""

    @property
    def nbytes(self) -> int:
        """The array's size."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __iter__(self) -> Iterator[np.ndarray]:
        """The rows in order, in blocks of about `BLOCK_BYTES`.

        Raises:
            UserError: the file has more bytes, or fewer.
            MemoryError: there is no room for a block.
        """
        rows, row = self.shape[0], math.prod(self.shape[1:]) * self.dtype.itemsize
        step = max(1, BLOCK_BYTES // max(1, row))
        if self.by_columns:
            yield self._read(0, rows, self.shape[::-1]).T
            rows = 0
        for start in range(0, rows, step):
            count = min(step, rows - start)
            yield self._read(start * row, count, (count, *self.shape[1:]))
        if self.file.read(1):
            raise self._wrong("more")

    def whole(self) -> np.ndarray:
        """The array, in this machine's byte order.

        Raises:
            UserError: the file has more bytes, or fewer.
            MemoryError: there is no room for it.
        """
        if 2 * self.nbytes > available_memory():
            raise MemoryError
        if not self.shape:
            array = self._read(0, 1, ())
        else:
            empty = np.empty((0, *self.shape[1:]), self.dtype)
            array = np.concatenate([empty, *self])
        return array.astype(self.dtype.newbyteorder("="), copy=False)

    def _read(self, start: int, rows: int, shape: tuple[int, ...]) -> np.ndarray:
        """So many rows, the first of them at byte `start`."""
        size = math.prod(shape) * self.dtype.itemsize if rows else 0
        if size > available_memory():
            raise MemoryError
        data = self.file.read(size)
        if len(data) < size:
            raise self._wrong(f"{start + len(data):,}")
        return np.frombuffer(data, self.dtype).reshape(shape)

    def _wrong(self, found: str) -> UserError:
        shape = "×".join(map(str, self.shape))
        return UserError(
            f"{self.where}: its header says {self.nbytes:,} bytes of data ({shape}), but it has "
            f"{found}{self.advice}"
        )


def copy_images(blocks: Blocks, sink: _cache.Sink, name: str) -> None:
    """Append an array of images to a cache entry, converted by `_arrays.to_images`.

    Raises:
        UserError: see `_arrays.to_images`, `Sink.expect` and `Blocks`.
    """
    # No memory is behind this array: only its shape and type are looked at.
    like = np.broadcast_to(np.empty((), blocks.dtype), blocks.shape)
    _arrays.checked_images(like, blocks.where)
    sink.expect(blocks.where, math.prod(blocks.shape))
    for block in blocks:
        sink.append(name, _arrays.to_images(block, blocks.where))
