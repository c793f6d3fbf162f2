"""Where files lie, whether a folder may be written to, and locks between processes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ae_run.data import cache_dir, root_dir
from ae_run.errors import UserError


def find(relative: str, root: str | None) -> Path | None:
    """A file below the root, or else below the cache, where it goes if the root is read-only.

    Raises:
        UserError: a folder on the way cannot be read.
    """
    for folder in (root_dir(root), cache_dir()):
        try:
            if (folder / relative).is_file():
                return folder / relative
        except OSError as error:
            raise UserError(f"{folder / relative}: cannot be read: {error.strerror}") from None
    return None


def target(relative: str, root: str | None) -> Path:
    """Where to put a file that is not there: below the root, or the cache if that is read-only."""
    path = root_dir(root) / relative
    return path if writable(path.parent) else cache_dir() / relative


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which itself need not be there yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    # The mode is looked at as well since root may write anywhere: whoever took every write bit
    # off a shared folder meant it for a container's root, too.
    can = folder.is_dir() and os.access(folder, os.W_OK)
    return can and bool(folder.stat().st_mode & 0o222)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Let one process at a time work on the file `path`; the lock lies hidden beside it.

    The lock frees itself when its process dies. Its file stays: to delete it would let two
    processes hold it. Yields False, without a lock, where the file system gives none.
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
