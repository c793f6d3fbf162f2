"""Ctrl-C and the other stop signals end a run after its current step, not in the middle of it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ae_run import processes
from ae_run.errors import Interrupted


class StopRequest:
    """A pending request to stop, and its signal."""

    signal_number: int | None = None

    def check(self, where: str) -> None:
        """Stop here if a stop was requested.

        Raises:
            Interrupted: a stop was requested.
        """
        if self.signal_number is not None:
            raise Interrupted(f"stopped {where}", self.signal_number)


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Treat the first signal as a request to stop; a second one stops at once.

    Signals reach only the main thread of a process; in other threads this does nothing.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if request.signal_number is not None:
            raise KeyboardInterrupt
        request.signal_number = number

    old = {number: signal.signal(number, ask) for number in processes.stop_signals()}
    try:
        yield request
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
