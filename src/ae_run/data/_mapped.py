"""Images that may be larger than memory: an index over an array, usually mapped from a file.

A split copies no pixel: it is a list of rows of the array that holds all images.
"""

import json
import math
import mmap
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ae_run import processes
from ae_run.data._binary import binarized
from ae_run.errors import UserError

COMPLETE = "complete.json"
"""The file by which a folder of the cache is known to hold all images."""
BLOCK_BYTES = 1 << 24
"""Pixels of images that are looked at together: floats of all would fill the memory."""
_PART_BYTES = 1 << 26
"""Bytes of a file from which streamed images are read at a time."""
_LARGE = 1 << 28
"""Bytes of an array whose pages, kept in memory by a map of its file, are worth a slower read."""


class Images:
    """uint8 images (N, C, H, W): some rows, in any order, of an array (M, C, H, W).

    Streamed images are read from the array's file when they are asked for, so that they take no
    memory; the others are taken from the array, of which the system keeps in memory what is used.
    """

    def __init__(
        self,
        array: np.ndarray,
        rows: np.ndarray | None = None,
        streamed: bool = False,
        draw_seed: int | None = None,
    ) -> None:
        """All images of an array in order, or the given rows, int64 (N,).

        With a seed, they are made binary when they are read.
        """
        # A mapped array stays what it is: numpy's function would make a plain one of it.
        self.array = array if array.flags.c_contiguous else np.ascontiguousarray(array)
        self.rows = np.arange(len(array)) if rows is None else rows
        self.streamed, self._draw_seed = streamed, draw_seed

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, H, W)."""
        _, c, h, w = self.array.shape
        return len(self.rows), c, h, w

    @property
    def pixels(self) -> int:
        """Numbers of one image, C·H·W."""
        return math.prod(self.array.shape[1:])

    @property
    def file(self) -> Path | None:
        """The `.npy` file that the array maps; None for one in memory, or a part of a map."""
        # A part of a map does not say where in the file it begins.
        if not isinstance(self.array.base, mmap.mmap):
            return None
        path = Path(getattr(self.array, "filename", None) or "")
        return path if path.suffix == ".npy" else None

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, index: np.ndarray | slice, streamed: bool | None = None) -> "Images":
        """The images at these positions, without a copy."""
        how = self.streamed if streamed is None else streamed
        return Images(self.array, self.rows[index], how, self._draw_seed)

    def unmapped(self) -> "Images":
        """The same images, streamed if their file is large: for code that looks at each seldom.

        An image taken from a map stays in memory, with the pages around it.
        """
        large = self.file is not None and self.array.nbytes >= _LARGE
        return self.select(slice(None), streamed=True) if large else self

    def drawn(self, seed: int) -> "Images":
        """The images made binary by one draw; those in memory at once, streamed ones when read."""
        if self.streamed:
            return Images(self.array, self.rows, True, seed)
        pixels = np.empty(self.shape, np.uint8)
        start = 0
        for block in self.blocks():
            pixels[start : start + len(block)] = binarized(block, seed)
            start += len(block)
        return Images(pixels)

    def __getitem__(self, index: np.ndarray | slice) -> np.ndarray:
        """A copy of the images at these positions: (B, C, H, W)."""
        rows = self.rows[index]
        images = self._from_file(rows) if self.streamed else np.take(self.array, rows, axis=0)
        return images if self._draw_seed is None else binarized(images, self._draw_seed)

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        """A copy of all images."""
        return self[:] if dtype is None else self[:].astype(dtype)

    def blocks(self) -> Iterator[np.ndarray]:
        """All images in order, in copies (B, C, H, W) of about `BLOCK_BYTES`."""
        step = max(1, BLOCK_BYTES // self.pixels)
        for start in range(0, len(self), step):
            yield self[start : start + step]

    def release(self) -> None:
        """Have the system take back the memory of a mapped array; it is read again when used."""
        processes.release(getattr(self.array, "_mmap", None))

    def save(self, folder: Path) -> None:
        """Write the images into a folder for `load`; a file gets a second name, not a copy."""
        facts, rows = {"streamed": self.streamed, "draw_seed": self._draw_seed}, self.rows
        if self.file is None:
            np.save(folder / "images.npy", self[:])
            rows = np.arange(len(self))
        else:
            try:
                os.link(self.file, folder / "images.npy")
            except OSError:  # on another disk
                shutil.copyfile(self.file, folder / "images.npy")
        np.save(folder / "rows.npy", rows)
        (folder / "images.json").write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Images":
        """The images that `save` wrote, mapped: all processes share one copy in memory."""
        facts = json.loads((folder / "images.json").read_text(encoding="utf-8"))
        # Copy-on-write: torch.from_numpy needs a writable array.
        array = np.load(folder / "images.npy", mmap_mode="c")
        return cls(array, np.load(folder / "rows.npy"), **facts)

    def _from_file(self, rows: np.ndarray) -> np.ndarray:
        """The rows (B,), read in the order in which they lie in the file.

        Through a map of their own for each part of it: whatever a row brings into memory with it
        goes when the map does.
        """
        path = self.file
        assert path is not None
        # Outside of the heap: a thread that reads has one of its own, which seldom shrinks.
        buffer = mmap.mmap(-1, max(1, len(rows) * self.pixels))
        images = np.ndarray((len(rows), *self.array.shape[1:]), np.uint8, buffer)
        order = np.argsort(rows)
        parts = np.arange(0, len(self.array), max(1, _PART_BYTES // self.pixels))
        for places in np.split(order, np.searchsorted(rows[order], parts[1:])):
            if len(places):
                try:
                    images[places] = np.load(path, mmap_mode="r")[rows[places]]
                except ValueError:  # shorter than its header says
                    raise UserError(
                        f"{path}: was truncated while it was read; start again"
                    ) from None
        return images
