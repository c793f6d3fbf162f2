"""A cache of decoded arrays in the user's cache folder: an archive is decoded once."""

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


def decoded(name: str, version: int, key: str, decode: Callable[[], Arrays]) -> Arrays:
    """The arrays that `decode` returns, from the cache if possible.

    A corrupt cache file is decoded again; without a writable cache every call decodes.

    Args:
        name: of the data set.
        version: of the decoder; a new one ignores cache files of the old one.
        key: `digest` of what is decoded.
        decode: returns the arrays; none may be an object array.
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
    """A source with an official test set, from arrays named like its fields."""
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
        _warn(folder, error)
        return False
    return True


def _read(path: Path) -> Arrays | None:
    """The arrays, or None if the file is missing or corrupt."""
    try:
        # Opened here because numpy, given a path, leaves a corrupt file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except Exception:  # zipfile, zlib, struct and numpy each raise their own for a corrupt file
        return None


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    # Not compressed: it is read far more often. The zip's checksums reveal corrupt files.
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]
    try:
        write_bytes(path, buffer.getvalue())
    except OSError as error:
        _warn(path, error)


def _warn(path: Path, error: OSError) -> None:
    print(
        f"{path}: cannot be written ({error.strerror}); the data set will be decoded every time",
        file=sys.stderr,
    )
