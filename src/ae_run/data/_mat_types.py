"""A look at the types of a MATLAB file's arrays, before scipy reads them.

scipy looks the type of an array's numbers up in a table without a bound: one that does not exist
reads foreign memory and can end the process. The format: MathWorks, "MAT-File Format", version 5.
"""

import struct
import zlib
from typing import IO

NUMBERS = {
    "double",
    "single",
    "logical",
    *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64)),
}
"""Classes of arrays of numbers, as `scipy.io.whosmat` calls them."""
_NUMERIC_CLASSES = range(6, 16)
_NUMBER_TYPES = {1, 2, 3, 4, 5, 6, 7, 9, 12, 13}
_COMPRESSED = 15
_COMPLEX = 0x800
_START = 1 << 14
"""Bytes of an array that hold everything but its numbers."""


def check(file: IO[bytes]) -> None:
    """Look at every numeric array of a file of version 5, from its beginning.

    Raises:
        ValueError: the numbers of an array are complex, or of a type that does not exist.
        struct.error, zlib.error: an array ends before its numbers, or is damaged.
    """
    order = ">" if file.read(128)[126:] == b"MI" else "<"
    while len(tag := file.read(8)) == 8:
        kind, size = struct.unpack(f"{order}II", tag)
        array = file.read(min(size, _START))
        file.seek(size - len(array), 1)
        if kind == _COMPRESSED:
            array = zlib.decompressobj().decompress(array, _START)[8:]  # behind a tag of its own
        _check_array(array, order)


def _check_array(array: bytes, order: str) -> None:
    """Look at one array: its flags, its dimensions, its name, then its numbers."""
    (flags,) = struct.unpack_from(f"{order}I", array, 8)
    if flags & 0xFF not in _NUMERIC_CLASSES:
        return
    if flags & _COMPLEX:
        raise ValueError("complex numbers")
    at = 16
    for _ in ("dimensions", "name"):
        _, at = _element(array, order, at)
    kind, _ = _element(array, order, at)
    if kind not in _NUMBER_TYPES:
        raise ValueError(f"numbers of the unknown type {kind}")


def _element(array: bytes, order: str, at: int) -> tuple[int, int]:
    """The type of the part that begins here, and where the next one begins."""
    first, size = struct.unpack_from(f"{order}II", array, at)
    if first >> 16:  # up to four bytes, in the tag itself
        return first & 0xFFFF, at + 8
    return first, at + 8 + size + -size % 8
