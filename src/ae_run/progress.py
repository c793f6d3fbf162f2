"""What a long task is at: its parts by name, with a bar on a terminal."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from tqdm import tqdm

from ae_run.run_folder import RunFolder

ROWS, _COLUMNS = 24, 80
"""Of a terminal that does not tell its own size."""
_SECONDS_OF_SILENCE = 2.0


def terminal_columns() -> int:
    """The width of the terminal behind stderr; some, in containers, say that they have none."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


class Parts:
    """Says what is being done: at once on a terminal, elsewhere of parts that take long.

    `log.txt` gets every part, with its time.
    """

    def __init__(self, folder: RunFolder, task: str, count: int) -> None:
        """`count`: how many parts there will be."""
        self._folder, self._task = folder, task
        self._terminal = sys.stderr.isatty() and not folder.quiet
        self.bar = tqdm(
            total=count,
            disable=not self._terminal,
            ncols=terminal_columns(),
            nrows=ROWS,
            bar_format="{desc} |{bar}| {n_fmt}/{total_fmt} {elapsed}",
            desc=task,
            leave=False,
        )

    def __enter__(self) -> "Parts":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """One part, while it lasts."""
        text, started = f"{self._task}: {name}", time.perf_counter()
        self.bar.ncols = terminal_columns()
        self.bar.set_description_str(text)
        timer = threading.Timer(_SECONDS_OF_SILENCE, self._speak, [text])
        timer.daemon = True
        if not (self._terminal or self._folder.quiet):
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self.bar.update()
        self._folder.log(f"{text}, {time.perf_counter() - started:.1f} s")

    def bar_of(self, count: int, unit: str) -> "tqdm[NoReturn]":
        """A bar of its own, on a terminal, for a part of many steps; close it."""
        return tqdm(
            total=count,
            unit=f" {unit}",
            disable=not self._terminal,
            ncols=terminal_columns(),
            nrows=ROWS,
            position=1,
            leave=False,
        )

    def _speak(self, text: str) -> None:
        tqdm.write(f"{text} …", file=sys.stdout)
        sys.stdout.flush()
