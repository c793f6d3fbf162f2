"""A cache of decoded arrays in the user's cache folder: decoded once, mapped from then on.

An entry is a folder with one `.npy` file per array, which has its name once it is complete. Until
then its arrays grow block by block in a folder `<name>.part`, where an interrupted decoder resumes.
"""

import hashlib
import json
import shutil
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from ae_run.atomic import write_bytes
from ae_run.data import Images, Source, _files, cache_dir
from ae_run.data._mapped import COMPLETE
from ae_run.errors import UserError
from ae_run.processes import available_memory

Arrays = dict[str, np.ndarray]

_CHECKED = 1 << 28  # bytes: an entry up to this size has its checksums verified when it is opened
_ABANDONED = 7 * 24 * 3600  # seconds after which an unfinished entry is deleted
_PROGRESS = "progress.json"


def digest(files: Iterable[Path], *options: object) -> str:
    """Hex digest of the contents of files and of the decoder's options.

    Raises:
        UserError: a file cannot be read.
    """
    whole = hashlib.sha256(repr(options).encode())
    for path in files:
        try:
            with path.open("rb") as file:
                whole.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return whole.hexdigest()


def stat_digest(files: Iterable[Path], *options: object) -> str:
    """`digest` for files of any size: name, size and time of change stand for the contents.

    Raises:
        UserError: a file cannot be read.
    """
    found: list[object] = []
    for path in files:
        try:
            stat = path.stat()
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        found += [str(path.absolute()), stat.st_size, stat.st_mtime_ns, stat.st_ino]
    return digest([], *found, *options)


class Sink:
    """Takes a decoder's arrays block by block; this one keeps them in memory."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        """What an interrupted decoder passed to `save` last; empty at the beginning."""
        self._blocks: dict[str, list[np.ndarray]] = {}

    def expect(self, where: str, size: int) -> None:
        """Refuse what there is no room for, before it is decoded: `size` bytes of `where`.

        Raises:
            UserError: neither the cache nor the memory has room.
        """
        if size > (left := available_memory()):
            raise UserError(
                f"{where}: decoded, it takes {size / 1e9:,.2f} GB; {cache_dir()} has no room, and "
                f"memory {left / 1e9:.2f} GB; set XDG_CACHE_HOME to a folder with room"
            )

    def append(self, name: str, block: np.ndarray) -> None:
        """Add rows to the array of this name."""
        self._blocks.setdefault(name, []).append(block)

    def rows(self, name: str) -> int:
        """How many rows an array has so far."""
        return sum(map(len, self._blocks.get(name, ())))

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep what was appended, and a JSON value that says from where to resume."""

    def arrays(self) -> Arrays:
        """All arrays."""
        return {name: np.concatenate(blocks) for name, blocks in self._blocks.items()}


class _Growing:
    """A `.npy` file to which rows are appended; its header is made right in the end."""

    def __init__(self, path: Path, row: np.ndarray | None = None) -> None:
        """A new file for rows like this one; None: the existing file."""
        self._file: IO[bytes]
        if row is None:
            self._file = path.open("r+b")
            np.lib.format.read_magic(self._file)
            shape, _, self._dtype = np.lib.format.read_array_header_1_0(self._file)
            self._shape = shape[1:]
        else:
            self._file, self._dtype, self._shape = path.open("w+b"), row.dtype, row.shape
        self.rows, self.checksum = 0, 0
        self._file.seek(0)
        self._write_header()
        self._start = self._file.tell()

    def append(self, block: np.ndarray) -> None:
        pixels = _bytes(block)
        self._file.write(pixels)
        self.rows, self.checksum = self.rows + len(block), zlib.crc32(pixels, self.checksum)

    def resume(self, rows: int, checksum: int) -> None:
        """Drop what was appended after so many rows."""
        self.rows, self.checksum = rows, checksum
        size = self._dtype.itemsize * int(np.prod(self._shape))
        self._file.truncate(self._start + rows * size)
        self._file.seek(0, 2)

    def flush(self) -> None:
        _files.sync(self._file)

    def complete(self) -> None:
        self._file.seek(0)
        self._write_header()
        self.flush()
        self._file.close()

    def close(self) -> None:
        with suppress(OSError):  # on a full disk, what it still holds cannot be written
            self._file.close()

    def _write_header(self) -> None:
        # numpy pads a header so that it keeps its length whatever the number of rows.
        shape = (self.rows, *self._shape)
        header = {
            "descr": np.lib.format.dtype_to_descr(self._dtype),
            "fortran_order": False,
            "shape": shape,
        }
        np.lib.format.write_array_header_1_0(self._file, header)


class _FileSink(Sink):
    """Writes the arrays of an entry into its `.part` folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._growing: dict[str, _Growing] = {}
        with _writing(folder):
            try:
                progress = json.loads((folder / _PROGRESS).read_bytes())
                for name, (rows, checksum) in progress["arrays"].items():
                    self._growing[name] = _Growing(folder / f"{name}.npy")
                    self._growing[name].resume(rows, checksum)
                self.state = progress["state"]
            except (OSError, ValueError, LookupError, TypeError):
                self.close()  # Windows deletes no open file
                self._growing.clear()
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()

    def expect(self, where: str, size: int) -> None:
        with _writing(self._folder):
            free = shutil.disk_usage(self._folder).free
        if size > free:
            text = f"{where} takes {size / 1e9:,.2f} GB decoded, {free / 1e9:.2f} GB are free"
            raise _files.CannotWrite(self._folder, text)

    def append(self, name: str, block: np.ndarray) -> None:
        with _writing(self._folder):
            if name not in self._growing:
                row = np.empty(block.shape[1:], block.dtype)
                self._growing[name] = _Growing(self._folder / f"{name}.npy", row)
            self._growing[name].append(block)

    def rows(self, name: str) -> int:
        return self._growing[name].rows if name in self._growing else 0

    def save(self, state: Mapping[str, Any]) -> None:
        with _writing(self._folder):
            for array in self._growing.values():
                array.flush()
            arrays = {name: (a.rows, a.checksum) for name, a in self._growing.items()}
            text = json.dumps({"state": state, "arrays": arrays})
            write_bytes(self._folder / _PROGRESS, text.encode())
        self.state = dict(state)

    def close(self) -> None:
        """Leave the entry unfinished."""
        for array in self._growing.values():
            array.close()

    def complete(self, path: Path) -> None:
        """Give the entry its name."""
        with _writing(self._folder):
            for array in self._growing.values():
                array.complete()
            sums = {name: array.checksum for name, array in self._growing.items()}
            write_bytes(self._folder / COMPLETE, json.dumps(sums).encode())
            with suppress(FileNotFoundError):
                (self._folder / _PROGRESS).unlink()
            shutil.rmtree(path, ignore_errors=True)  # a corrupt entry
            self._folder.replace(path)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _files.CannotWrite(folder, error.strerror or str(error)) from None


def decoded(name: str, version: int, key: str, decode: Callable[[Sink], Arrays]) -> Arrays:
    """A decoder's arrays, from the cache if possible, mapped from its files.

    A corrupt entry is decoded again; without room in the cache every call decodes into memory.

    Args:
        name: of the data set.
        version: of the decoder; a new one ignores entries of the old one.
        key: `digest` of what is decoded.
        decode: appends arrays to a `Sink`, and returns further ones; none may be an object array.
    """
    path = cache_dir() / "decoded" / f"{name}-v{version}-{key[:24]}"
    arrays = _read(path)
    if arrays is not None:
        return arrays
    try:
        with _writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        with _files.locked(path):
            # Another process may have decoded it while this one waited.
            return _read(path) or _decode_to(path, decode)
    except _files.CannotWrite as error:
        advice = "the data set is decoded every time unless XDG_CACHE_HOME names another folder"
        print(f"{error}; {advice}", file=sys.stderr)
    return _decode_into(Sink(), decode).arrays()


def _decode_into(sink: Sink, decode: Callable[[Sink], Arrays]) -> Sink:
    for name, array in decode(sink).items():
        sink.append(name, array)
    return sink


def _decode_to(path: Path, decode: Callable[[Sink], Arrays]) -> Arrays:
    _delete_abandoned(path.parent)
    folder = path.with_name(f"{path.name}.part")
    sink = _FileSink(folder)
    try:
        _decode_into(sink, decode)
        sink.complete(path)
    except BaseException:
        sink.close()
        if not sink.state:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    arrays = _read(path)
    if arrays is None:
        raise _files.CannotWrite(path, "it does not keep what is written")
    return arrays


def _delete_abandoned(folder: Path) -> None:
    """Delete unfinished entries that nobody has worked on for long."""
    for part in folder.glob("*.part"):
        with suppress(OSError):
            if time.time() - max(p.stat().st_mtime for p in (part, *part.iterdir())) > _ABANDONED:
                shutil.rmtree(part, ignore_errors=True)


def _read(path: Path) -> Arrays | None:
    """The arrays of an entry, or None if it is missing, incomplete or corrupt."""
    try:
        sums: dict[str, int] = json.loads((path / COMPLETE).read_bytes())
        # Copy-on-write: torch.from_numpy needs a writable array.
        arrays = {name: np.load(path / f"{name}.npy", mmap_mode="c") for name in sums}
        checked = sum(array.nbytes for array in arrays.values()) <= _CHECKED
        if checked and any(zlib.crc32(_bytes(arrays[name])) != sums[name] for name in sums):
            return None
    except Exception:  # numpy and json each raise their own for a corrupt file
        return None
    return arrays


def _bytes(array: np.ndarray) -> memoryview | bytes:
    """The bytes of an array, which need not be of numbers."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.size else b""


def to_source(arrays: Arrays, class_names: tuple[str, ...]) -> Source:
    """A source with an official test set, from arrays named like its fields."""
    return Source(
        images=Images(arrays["images"]),
        labels=arrays["labels"],
        test_images=Images(arrays["test_images"]),
        test_labels=arrays["test_labels"],
        class_names=class_names,
    )
