"""Find data files, check whether folders are writable, and lock files between processes."""

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ae_run.data import cache_dir, root_dir
from ae_run.errors import UserError


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
