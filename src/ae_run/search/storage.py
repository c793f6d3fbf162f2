"""Where a study is stored: a journal file, PostgreSQL, or SQLite.

A storage is trusted input: Optuna unpickles the state of CMA-ES from it.
"""

import contextlib
import functools
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from ae_run.errors import MachineFault, RunFailed, UserError
from ae_run.search import journal

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, RDBStorage

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
        return Opened(*journal.open_journal(Path(url) if url else folder / "journal.log"))
    if url.startswith("sqlite"):
        return _open_sqlite(url, folder)
    return _open_postgres(url, password, patience)


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
