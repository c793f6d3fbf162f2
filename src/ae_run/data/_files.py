"""Find data files, lock them between processes, and say in one line what is wrong with them."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ae_run.data import cache_dir, root_dir
from ae_run.errors import UserError


class CannotWrite(Exception):
    """The cache cannot be written; its images can still be decoded into memory."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"{folder}: cannot be written ({reason})")


@contextmanager
def reading(what: str, advice: str = "") -> Iterator[None]:
    """Turn whatever a parser raises for a damaged file into one line.

    Parsers of foreign bytes raise nearly anything: zipfile and tarfile alone know ten exceptions.

    Args:
        what: the file or key, and what it was read as.
        advice: what to do, put behind the reason.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        yield
    except (UserError, CannotWrite):
        raise
    except MemoryError:
        raise UserError(f"{what}: needs more memory than there is") from None
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"{what}: {' '.join(str(reason).split())}{advice}") from None


def text(name: str) -> str:
    r"""A name that can be written as UTF-8: bytes that are not become `\xNN`."""
    try:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    except UnicodeEncodeError:  # half of a surrogate pair
        return name.encode(errors="backslashreplace").decode()


def sync(file: IO[bytes]) -> None:
    """Have the system write a file's bytes to the disk."""
    file.flush()
    os.fsync(file.fileno())


def find(relative: str, root: str | None) -> Path | None:
    """A file below the root or, where downloads for a read-only root go, below the cache.

    Raises:
        UserError: a folder on its path cannot be read.
    """
    for folder in (root_dir(root), cache_dir()):
        try:
            if (folder / relative).is_file():
                return folder / relative
        except OSError as error:
            raise UserError(f"{folder / relative}: cannot be read: {error.strerror}") from None
    return None


def target(relative: str, root: str | None) -> Path:
    """The destination of a missing file: below the root, or the cache if that is read-only."""
    path = root_dir(root) / relative
    return path if writable(path.parent) else cache_dir() / relative


def writable(folder: Path) -> bool:
    """True if files can be created in a folder, which need not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        return False
    if sys.platform == "win32":
        return _takes_a_file(folder)  # os.access knows nothing of access control lists
    # The mode counts as well since root may write anywhere: a shared folder without write bits
    # is meant to be read-only for a container's root, too.
    return os.access(folder, os.W_OK) and bool(folder.stat().st_mode & 0o222)


def _takes_a_file(folder: Path) -> bool:
    """True if a file can be created in a folder; it is deleted again."""
    path = folder / f".{secrets.token_hex(8)}.tmp"
    try:
        path.touch(exist_ok=False)
        path.unlink()
    except OSError:
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Let one process at a time work on the file `path`; the lock is a hidden file next to it.

    A process that dies releases its lock. The lock file stays, since deleting it would let two
    processes hold the lock. Yields False, without a lock, on file systems that have none.
    """
    from filelock import FileLock, Timeout

    lock, held = FileLock(path.with_name(f".{path.name}.lock")), True
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for another process to finish {path.name}", file=sys.stderr)
            lock.acquire()
    except (OSError, NotImplementedError):
        held = False
    try:
        yield held
    finally:
        if held:
            lock.release()
