"""The processes that run a search, and which of them are alive.

On one machine, a folder's lock tells: the system frees it when its owner dies. From another
machine, only the time at which a session was last seen does.
"""

import math
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna

from ae_run.errors import UserError
from ae_run.run_folder import RunFolder
from ae_run.search.storage import Opened

HEARTBEAT, GRACE = 10, 60  # seconds; a silent process on another machine is given up after GRACE


def owner(folder: Path) -> dict[str, Any]:
    """This process as the owner of a folder that it has locked."""
    return {"host": platform.node(), "pid": os.getpid(), "folder": str(folder.resolve())}


def is_dead(known: Mapping[str, Any]) -> bool | None:
    """Whether a folder's owner has died: its lock is free; None if that is not visible here."""
    folder = Path(known["folder"])
    if known["host"] != platform.node() or not folder.is_dir():
        return None
    try:
        with RunFolder(folder).lock():
            return True
    except UserError:  # somebody has it
        return False


class Sessions:
    """The processes that run this search, each with when it was last seen.

    They tell how long the search has taken over all restarts and, to another machine, whether
    this one's workers are still alive.
    """

    def __init__(self, study: optuna.Study) -> None:
        self._study = study
        self.own = secrets.token_hex(8)
        self._started = time.time()
        self._seen: dict[str, tuple[float, float]] = {}

    def beat(self, study: optuna.Study | None = None) -> None:
        """Record that this process is alive."""
        times = [self._started, time.time()]
        (study or self._study).set_user_attr(f"session:{self.own}", times)

    @contextmanager
    def beating(self, connect: Callable[[], Opened]) -> Iterator[None]:
        """Beat from a thread until the block ends.

        Args:
            connect: opens the storage again: two threads that took the locks of the journal and
                of its file in different order would wait for each other.
        """
        ended = threading.Event()

        def run() -> None:
            if ended.wait(HEARTBEAT):
                return None
            with suppress(Exception):  # the main thread meets the same error and reports it
                opened = connect()
                name = self._study.study_name
                study = optuna.load_study(study_name=name, storage=opened.storage)
                while True:
                    self.beat(study)
                    if ended.wait(HEARTBEAT):
                        return opened.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(1)  # longer only while it waits for a lost database

    def is_silent(self, session: object) -> bool:
        """Whether another session has not beaten for GRACE seconds of this machine's clock."""
        last = self._study.user_attrs.get(f"session:{session}", [0.0, 0.0])[1]
        now = time.monotonic()
        if self._seen.setdefault(str(session), (last, now))[0] != last:
            self._seen[str(session)] = (last, now)
        return now - self._seen[str(session)][1] > GRACE

    def elapsed(self) -> float:
        """Seconds in which at least one session was active."""
        times = [v for k, v in self._study.user_attrs.items() if k.startswith("session:")]
        total, reached = 0.0, -math.inf
        for start, end in sorted(times):
            total += max(0.0, end - max(start, reached))
            reached = max(reached, end)
        return total
