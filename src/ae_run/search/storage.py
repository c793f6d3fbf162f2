"""Where a study is kept: a journal file, PostgreSQL, or SQLite.

A storage is trusted input: Optuna unpickles the state of CMA-ES from it.
"""

import contextlib
import functools
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from ae_run.errors import RunFailed, UserError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage

HEARTBEAT, GRACE = 10, 60  # seconds; a trial on another machine is given up after GRACE
_CONNECT_SECONDS = 10
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
    """Open a storage, and make it where there is none.

    Args:
        url: `search.storage`, without its password.
        password: of the URL.
        folder: the search's own, for a journal.
        patience: seconds that a lost connection is waited for.

    Raises:
        RunFailed: it cannot be opened.
    """
    if url is None or "://" not in url:
        return _open_journal(Path(url).expanduser() if url else folder / "journal.log")
    if url.startswith("sqlite"):
        lock_file = folder / ".sqlite.lock"
        database = _open_rdb(url, {}, 0)
        return Opened(database, lambda: _file_lock(lock_file), _closer(database))
    return _open_postgres(url, password, patience)


def _open_journal(path: Path) -> Opened:
    from filelock import FileLock
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.storages.journal._file import BaseJournalFileLock

    # Not Optuna's own lock file, which a killed process leaves behind for the others to wait
    # out: this one is the kernel's, and goes with the process. Named apart, since Optuna's
    # dashboard uses its own on the same journal.
    file_lock = FileLock(path.with_name(f".{path.name}.flock"))

    class Lock(BaseJournalFileLock):
        def acquire(self) -> bool:
            file_lock.acquire()
            return True

        def release(self) -> None:
            file_lock.release()

    class Backend(JournalFileBackend):
        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            with file_lock:
                repair_tail(path)
                super().append_logs(logs)

    @contextmanager
    def lock() -> Iterator[None]:
        with file_lock:
            yield

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with file_lock:
            repair_tail(path)
        storage = JournalStorage(Backend(str(path), Lock()))
    except OSError as error:
        raise RunFailed(f"search.storage={path}: {error.strerror}") from None
    except ValueError as error:
        raise RunFailed(
            f"{path}: not readable as a journal ({error}); move it aside to start anew"
        ) from None
    return Opened(storage, lock)


def repair_tail(path: Path) -> None:
    """Cut a journal after its last whole line; what it was is kept beside it.

    A process that was killed while it wrote leaves a part of a line, with which Optuna loads
    the journal but cannot go on. The caller holds the lock.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size == 0:
                return
            file.seek(size - 1)
            if file.read(1) == b"\n":
                return
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
    except FileNotFoundError:
        return
    backup = path.with_name(f"{path.name}.torn-{datetime.now():%Y%m%d-%H%M%S}")
    shutil.copyfile(path, backup)
    os.truncate(path, whole)


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
        "connect_args": {"connect_timeout": _CONNECT_SECONDS},
        "pool_pre_ping": True,
        "pool_size": 2,
    }
    try:
        storage = _open_rdb(url, options, patience)
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
        # The server frees it when the connection ends, however it does.
        with patiently(connect.connect, patience)() as connection:
            take = sqlalchemy.text("SELECT pg_advisory_lock(:key)")
            connection.execute(take, {"key": _ADVISORY_LOCK})
            yield

    return Opened(storage, lock, _closer(storage))


def _closer(storage: "RDBStorage") -> Callable[[], None]:
    def close() -> None:
        storage.remove_session()
        storage.engine.dispose()

    return close


def _open_rdb(url: str, options: dict[str, Any], patience: float) -> "RDBStorage":
    import warnings

    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import RDBStorage

    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = RDBStorage(
            url, engine_kwargs=options, heartbeat_interval=HEARTBEAT, grace_period=GRACE
        )
    if patience > 0:
        for name in _CALLS:
            setattr(storage, name, patiently(getattr(storage, name), patience))
    return storage


# What Optuna's cache in front of the database calls; each is one transaction.
_CALLS = (
    "create_new_study", "set_study_user_attr", "set_study_system_attr", "get_study_id_from_name",
    "get_study_name_from_id", "get_study_directions", "get_study_user_attrs",
    "get_study_system_attrs", "get_all_studies", "_create_new_trial", "_set_trial_param",
    "get_trial_id_from_study_id_trial_number", "_get_best_trial_id", "set_trial_state_values",
    "set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr", "get_trial",
    "_get_trials", "record_heartbeat", "_get_stale_trial_ids",
)  # fmt: skip


def patiently(call: Callable[..., Any], patience: float) -> Callable[..., Any]:
    """The same call, which waits for a lost connection to come back.

    Raises:
        RunFailed: it did not within `patience` seconds.
    """
    import sqlalchemy
    from optuna.exceptions import StorageInternalError

    @functools.wraps(call)
    def patient(*args: Any, **kwargs: Any) -> Any:
        deadline = time.monotonic() + patience
        while True:
            try:
                return call(*args, **kwargs)
            except (StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
                cause = error.__cause__ if isinstance(error, StorageInternalError) else error
                if not isinstance(cause, sqlalchemy.exc.OperationalError):
                    raise
                if time.monotonic() > deadline:
                    raise StorageLost(
                        f"search.storage: the connection is lost, and did not come back within "
                        f"{patience:g} s; finished trials are kept, and the same command goes on"
                    ) from None
            time.sleep(min(1.0, patience))

    return patient


class StorageLost(RunFailed):
    """The database is gone."""


def hide(text: str, password: str | None) -> str:
    """The text without the password."""
    with contextlib.suppress(TypeError):
        for secret in filter(None, (password, quote(password or "", safe=""))):
            text = text.replace(secret, "***")
    return text
