"""Loggers: what else follows a run, beside its folder; `train.loggers` names their files.

A logger is a file with a class `Logger(folder)`, as in `Logger` below; `code=` adds your own. It
sees each row that `training.fit` yields and, in the end, what the run folder holds. What it raises
is told once and never stops a run.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from ae_run import components
from ae_run.drawing import run_data
from ae_run.drawing.run_data import RunData
from ae_run.errors import UserError
from ae_run.messages import unknown
from ae_run.run_folder import RunFolder


class Logger(Protocol):
    """What a logger does; it is made with the run's folder when training starts or resumes."""

    last: int
    """The last epoch that it has logged before; 0 for a new run."""

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Log a row of the history: `epoch`, `stage`, `lr`, `train_…`, `validation_…`, seconds."""

    def end(self, run: RunData) -> None:
        """Log scores, images and codes of the finished run."""

    def close(self) -> None:
        """Write what is not yet written; called once, however the run ends."""


Factory = Callable[[RunFolder], Logger]


def load(chosen: Sequence[str] | None) -> dict[str, Factory]:
    """The loggers of these names, whose packages are there.

    Raises:
        UserError: no such logger, or its package is not installed.
    """
    found: dict[str, Factory] = {}
    for name in chosen or ():
        given, known = f"train.loggers=[{name}]", components.files("logger")
        if name not in known:
            raise UserError(f"{unknown(given, name, known, 'logger')}; your own: code=FOLDER")
        try:
            found[name] = components.module("logger", name).Logger
        except ModuleNotFoundError as error:
            raise UserError(
                f"{given}: needs the package {error.name}: pip install 'ae-run[{name}]'"
            ) from None
    return found


class Loggers:
    """The loggers of a run; one that raises is told of and left out from then on."""

    def __init__(self, found: Mapping[str, Factory], folder: RunFolder) -> None:
        self._folder = folder
        self._open: dict[str, Logger] = {}
        for name, factory in found.items():
            self._guarded(name, partial(self._start, name, factory))

    def _start(self, name: str, factory: Factory) -> None:
        logger = self._open[name] = factory(self._folder)
        self._catch_up(logger)

    def _catch_up(self, logger: Logger) -> None:
        """Log the epochs of the history that it has not seen, as after a run was killed."""
        for row in self._folder.read_csv("history.csv"):
            if int(row["epoch"]) > logger.last:
                _log(logger, {key: _number(text) for key, text in row.items() if text})

    def epoch(self, row: Mapping[str, Any] | None) -> None:
        """Log a row; without one, that of another seed, nothing."""
        for name, logger in list(self._open.items()):
            if row is not None and row["epoch"] > logger.last:
                self._guarded(name, partial(_log, logger, row))

    def end(self) -> None:
        """Log the results of the finished run."""
        for name, logger in list(self._open.items()):
            self._guarded(name, partial(self._end, logger))

    def _end(self, logger: Logger) -> None:
        self._catch_up(logger)
        logger.end(run_data.load(self._folder))

    def close(self) -> None:
        """Close all."""
        for name, logger in list(self._open.items()):
            self._guarded(name, logger.close)

    def _guarded(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # whatever a tracker raises, the run is worth more
            logger = self._open.pop(name, None)
            if logger is not None and act != logger.close:
                with suppress(Exception):
                    logger.close()
            told = " ".join(str(error).split()) or type(error).__name__
            self._folder.say(f"warning: train.loggers: {name} stopped, the run goes on: {told}")


def _log(logger: Logger, row: Mapping[str, Any]) -> None:
    logger.epoch(row)
    logger.last = int(row["epoch"])


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
