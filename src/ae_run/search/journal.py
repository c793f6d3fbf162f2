"""The journal of a study: a file with a line for every record, which any process may append to."""

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_run import processes
from ae_run.errors import RunFailed, UserError
from ae_run.search import records

if TYPE_CHECKING:
    from optuna.storages import JournalStorage

_TAIL = 1 << 20  # bytes; no two lines that the search writes are longer


def open_journal(path: Path) -> "tuple[JournalStorage, Callable[[], AbstractContextManager[None]]]":
    """A journal, created if it does not exist, and the lock that all processes on it share.

    Raises:
        UserError: it holds something else.
        RunFailed: it cannot be opened.
    """
    path = processes.expanded(path)
    from filelock import FileLock
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    # Optuna's own lock is a file that a killed process leaves behind, and others wait out. This
    # lock is freed by the system. It has another name, since Optuna's dashboard uses Optuna's.
    file_lock = FileLock(path.with_name(f".{path.name}.flock"))

    class Backend(JournalFileBackend):
        line = 0
        """The last one that was read."""

        def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:  # type: ignore[override]
            self.line = log_number_from
            try:
                for log in super().read_logs(log_number_from):
                    self.line += 1
                    records.check(log)
                    yield log
            except ValueError as error:
                raise _damaged(path, self.line, error) from None

        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            with file_lock:
                repair_tail(path)
                size = path.stat().st_size
                try:
                    super().append_logs(logs)
                except OSError:  # a full disk takes a part of a line
                    os.truncate(path, size)
                    raise

    @contextmanager
    def lock() -> Iterator[None]:
        with file_lock:
            yield

    backend = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock:
            repair_tail(path, last_line=True)
            # Optuna asks for `acquire` and `release` only.
            backend = Backend(str(path), file_lock)  # type: ignore[arg-type]
            return JournalStorage(backend), lock
    except UserError:
        raise
    except OSError as error:
        raise RunFailed(f"search.storage={path}: {error.strerror}") from None
    except Exception as error:  # Optuna checks nothing that it reads
        raise _damaged(path, 0 if backend is None else backend.line, error) from None


def _damaged(path: Path, line: int, error: Exception) -> UserError:
    """What to do about a line that is no record; a copy of the journal is kept first."""
    content = path.read_bytes()
    if isinstance(error, ValueError):
        lines = content.splitlines()
        line = next((n for n, one in enumerate(lines, 1) if not _is_json(one)), line)
    digest = hashlib.sha256(content).hexdigest()[:8]
    copy = path.with_name(f"{path.name}.damaged-{digest}")
    _copy(path, copy)
    reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return UserError(
        f"{path}: not readable as a journal at line {line} ({reason}); {copy.name} is a copy. To "
        f"go on without that line: sed -i {line}d {shlex.quote(str(path))}; to start again, move "
        "it away"
    )


def repair_tail(path: Path, last_line: bool = False) -> None:
    """Truncate a journal after its last complete line; keep a copy of it as it was.

    A process that is killed while writing leaves an incomplete line. Optuna loads such a journal
    but cannot continue with it. The caller holds the lock.

    Args:
        path: of the journal.
        last_line: whether to cut off a last line that is no JSON, too.

    Raises:
        JSONDecodeError: the line before that is none either: this is no journal.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            tail = file.read()
            if not tail or (tail.endswith(b"\n") and not (last_line and _is_torn(tail))):
                return
            file.seek(0)
            whole = file.read()[:-1].rfind(b"\n") + 1
    except FileNotFoundError:
        return
    _copy(path, path.with_name(f"{path.name}.torn-{datetime.now():%Y%m%d-%H%M%S}"))
    os.truncate(path, whole)


def _is_torn(tail: bytes) -> bool:
    """Whether the last of several lines is no JSON."""
    *before, last = tail[:-1].split(b"\n")[-2:]
    if _is_json(last):
        return False
    json.loads(before[0] if before else last)
    return True


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _copy(path: Path, target: Path) -> None:
    try:
        shutil.copyfile(path, target)
    except OSError:
        target.unlink(missing_ok=True)
        raise
