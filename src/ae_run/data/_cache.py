"""Decoded arrays, kept in the user's cache so that an archive is decoded once."""

import hashlib
import io
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from ae_run.data import Source, _files, cache_dir
from ae_run.errors import UserError
from ae_run.run_folder import write_bytes

Arrays = dict[str, np.ndarray]


def digest(files: Iterable[Path], *options: object) -> str:
    """Hex digest of the content of files and of the options that the decoder has.

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


def decoded(name: str, version: int, key: str, decode: Callable[[], Arrays]) -> Arrays:
    """What `decode` gives, from the cache if it is there.

    A cache that is torn is decoded again; one that cannot be written is done without.

    Args:
        name: of the data set.
        version: of the decoder; a new one leaves the old cache aside.
        key: `digest` of what is decoded.
        decode: gives the arrays; none may be an object array.
    """
    path = cache_dir() / "decoded" / f"{name}-v{version}-{key[:24]}.npz"
    arrays = _read(path)
    if arrays is not None:
        return arrays
    can_write = _make_folder(path.parent)
    with _files.locked(path) if can_write else nullcontext():
        arrays = _read(path)  # another process may have decoded it while this one waited
        if arrays is None:
            arrays = decode()
            if can_write:
                _write(path, arrays)
    return arrays


def to_source(arrays: Arrays, class_names: tuple[str, ...]) -> Source:
    """A source with an official test set, from arrays under the names of its fields."""
    return Source(
        images=arrays["images"],
        labels=arrays["labels"],
        test_images=arrays["test_images"],
        test_labels=arrays["test_labels"],
        class_names=class_names,
    )


def _make_folder(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _say(folder, error)
        return False
    return True


def _read(path: Path) -> Arrays | None:
    """The arrays, or None where there are none that can be read whole."""
    try:
        # Opened here since numpy, given a path, leaves a torn file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except Exception:  # zipfile, zlib, struct and numpy each have their own for a torn file
        return None


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    # Not compressed: reading is what happens often. The zip's checksums find torn files.
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
    try:
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        _say(path, error)


def _say(path: Path, error: OSError) -> None:
    print(
        f"{path}: cannot be written ({error.strerror}); the data set is decoded anew each time",
        file=sys.stderr,
    )
