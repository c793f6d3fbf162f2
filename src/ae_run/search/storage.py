"""Where a study is stored: a journal file, PostgreSQL, or SQLite.

A storage is trusted input: Optuna unpickles the state of CMA-ES from it.
"""

import contextlib
import functools
import hashlib
import json
import os
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from ae_run.errors import MachineFault, RunFailed, UserError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage

_CONNECT_SECONDS = 10
_TAIL = 1 << 20  # bytes; no two lines that the search writes are longer
_ADVISORY_LOCK = 0x61652D72756E  # "ae-run"
_PASSWORD = re.compile(r"(\w[\w+.-]*://[^:/?#@\s]*):([^/?#\s]*)@")


def split_password(text: str) -> tuple[str, str | None]:
    """A text with the URL's password taken out, and that password."""
    match = _PASSWORD.search(text)
    if not match:
        return text, None
    return text[: match.start()] + match[1] + "@" + text[match.end() :], unquote(match[2])


@dataclass
class Opened:
    """A storage, and the lock that all processes on it share."""

    storage: "BaseStorage"
    lock: Callable[[], AbstractContextManager[None]]
    close: Callable[[], None] = lambda: None


def check(url: str | None, workers: int) -> None:
    """Refuse what cannot work, before anything is opened.

    Raises:
        UserError: no such kind of storage, or SQLite for several workers.
    """
    if url is None or "://" not in url:
        return
    kind = url.partition("://")[0].partition("+")[0]
    if kind not in ("sqlite", "postgresql", "postgres"):
        raise UserError(
            f"search.storage={kind}://…: no such kind; must be postgresql://…, sqlite:///FILE, "
            "the path of a journal file, or null"
        )
    if kind == "sqlite" and workers > 1:
        raise UserError(
            f"search.storage={url}: SQLite cannot serve search.workers={workers}; leave "
            "search.storage out for a journal file on one machine, use postgresql://… for "
            "several, or set search.workers=1"
        )
    try:
        import sqlalchemy  # noqa: F401

        if kind != "sqlite":
            import psycopg  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"search.storage: needs {error.name}: pip install sqlalchemy 'psycopg[binary]'"
        ) from None


def open_storage(url: str | None, password: str | None, folder: Path, patience: float) -> Opened:
    """Open a storage; create it if it does not exist.

    Args:
        url: `search.storage` without its password.
        password: of the URL.
        folder: of the search, for a journal.
        patience: seconds to wait for a lost connection.

    Raises:
        UserError: it cannot be made, or holds something else.
        RunFailed: it cannot be opened.
    """
    if url is None or "://" not in url:
        return _open_journal(Path(url).expanduser() if url else folder / "journal.log")
    if url.startswith("sqlite"):
        return _open_sqlite(url, folder)
    return _open_postgres(url, password, patience)


def _open_journal(path: Path) -> Opened:
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
            for log in super().read_logs(log_number_from):
                self.line += 1
                yield log

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
            return Opened(JournalStorage(backend), lock)
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


def _open_sqlite(url: str, folder: Path) -> Opened:
    import sqlalchemy

    lock_file = folder / ".sqlite.lock"
    try:
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        database = _open_rdb(url, {})
    except (sqlalchemy.exc.SQLAlchemyError, OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(getattr(error, "orig", error))
        raise UserError(
            f"search.storage={url}: cannot be opened: {reason.strip().partition(chr(10))[0]}"
        ) from None
    return Opened(_patient(database, 0), lambda: _file_lock(lock_file), _closer(database))


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(path):
        yield


def _open_postgres(url: str, password: str | None, patience: float) -> Opened:
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    # SQLAlchemy 2.0 would take psycopg2 for postgresql://.
    url = "postgresql+psycopg://" + url.partition("://")[2]
    shown = url
    if password is not None:
        user, at, rest = url.partition("@")
        url = f"{user}:{quote(password, safe='')}@{rest}" if at else url
    options = {
        # A database without an encoding (SQL_ASCII) would hand over bytes.
        "connect_args": {"connect_timeout": _CONNECT_SECONDS, "client_encoding": "utf8"},
        "pool_pre_ping": True,
        "pool_size": 2,
    }
    try:
        database = _open_rdb(url, options)
    except (sqlalchemy.exc.SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise RunFailed(
            f"search.storage={shown.replace('+psycopg', '')}: cannot be reached: "
            f"{hide(reason, password)}"
        ) from None
    connect = sqlalchemy.create_engine(
        url, poolclass=NullPool, connect_args=options["connect_args"]
    )

    @contextmanager
    def lock() -> Iterator[None]:
        # The server frees it when the connection ends, however that happens.
        with patiently(connect.connect, patience)() as connection:
            take = sqlalchemy.text("SELECT pg_advisory_lock(:key)")
            connection.execute(take, {"key": _ADVISORY_LOCK})
            yield

    return Opened(_patient(database, patience), lock, _closer(database))


def _closer(database: "RDBStorage") -> Callable[[], None]:
    def close() -> None:
        database.remove_session()
        database.engine.dispose()

    return close


def _open_rdb(url: str, options: dict[str, Any]) -> "RDBStorage":
    from optuna.storages import RDBStorage

    return RDBStorage(url, engine_kwargs=options)


def _patient(database: "RDBStorage", patience: float) -> "BaseStorage":
    """The storage with Optuna's cache, each call of which waits for a lost connection.

    The engine's own means (`pool_pre_ping`, a `creator` that retries) would not do: they renew a
    connection between transactions, not the one that breaks in the middle of a transaction,
    which has to be repeated as a whole.
    """
    from optuna.storages import BaseStorage, get_storage

    storage = get_storage(database)
    for name in vars(BaseStorage):
        if not name.startswith("_"):
            setattr(storage, name, patiently(getattr(storage, name), patience))
    return storage


def patiently(call: Callable[..., Any], patience: float) -> Callable[..., Any]:
    """The same call, repeated until a lost connection is back.

    Raises:
        StorageLost: it is not back within `patience` seconds.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import OperationalError, PendingRollbackError, SQLAlchemyError

    @functools.wraps(call)
    def patient(*args: Any, **kwargs: Any) -> Any:
        deadline = time.monotonic() + patience
        while True:
            try:
                return call(*args, **kwargs)
            except (StorageInternalError, SQLAlchemyError) as error:
                cause = error.__cause__ if isinstance(error, StorageInternalError) else error
                # The second: a transaction that goes on after its connection broke.
                if not isinstance(cause, OperationalError | PendingRollbackError):
                    raise
                if time.monotonic() > deadline:
                    reason = str(getattr(cause, "orig", cause)).strip().partition("\n")[0]
                    raise StorageLost(
                        f"search.storage: the connection is lost ({reason}), and did not come back "
                        f"within {patience:g} s"
                    ) from None
            time.sleep(min(1.0, patience))

    return patient


class StorageLost(MachineFault):
    """The database cannot be reached any more."""


def hide(text: str, password: str | None) -> str:
    """The text without the password."""
    with contextlib.suppress(TypeError):
        for secret in filter(None, (password, quote(password or "", safe=""))):
            text = text.replace(secret, "***")
    return text
