"""What a command says: less with `-q`, more with `-v`, in colour on a terminal only.

Reads nothing of the environment when imported. The command line sets it up once; whatever has
something to say to the user says it here or through a run folder, which also keeps it in log.txt.
"""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from ae_run.errors import Interrupted

quiet = False
"""Only errors are shown."""
verbose = False
"""What otherwise goes to log.txt only is shown too."""
agreed = False
"""What would be asked is taken as answered with yes."""

_PLAIN = {
    **{"…": "...", "×": "x", "±": "+/-", "→": "->", "²": "^2", "·": "-", "β": "beta"},
    **{"–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "≈": "~"},
    **{"‘": "'", "’": "'", "“": '"', "”": '"'},
}
_STYLES = {"bold": "1", "red": "1;31", "yellow": "33"}


@contextmanager
def settings(less: bool = False, more: bool = False, yes: bool = False) -> Iterator[None]:
    """Set `quiet`, `verbose` and `agreed`, and let no character end the program, in a block.

    A stream that cannot encode a character (a pipe on Windows, `LC_ALL=C`) gets its plain
    spelling, such as `+/-` for `±`. What is said to a stream that the caller has closed is lost.
    """
    global quiet, verbose, agreed
    before = quiet, verbose, agreed
    closed = [name for name in ("stdout", "stderr") if _is_closed(getattr(sys, name))]
    for name in closed:
        setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
    streams = [s for s in (sys.stdout, sys.stderr) if isinstance(s, io.TextIOWrapper)]
    handlers = [stream.errors for stream in streams]
    quiet, verbose, agreed = less, more, yes
    for stream in streams:
        stream.reconfigure(errors="ae_run.plain")
    try:
        yield
    finally:
        quiet, verbose, agreed = before
        for stream, handler in zip(streams, handlers, strict=True):
            with suppress(ValueError):  # it is closed
                stream.reconfigure(errors=handler)
        for name in closed:
            getattr(sys, name).close()
            setattr(sys, name, None)


def _is_closed(stream: TextIO | None) -> bool:
    """Whether nothing can be written, as after `>&-` in a shell."""
    return stream is None or stream.closed


def say(text: str = "") -> None:
    """Print, above a progress bar if there is one; nothing with `-q`.

    Raises:
        Interrupted: nobody reads standard output any more, as after `| head -1`.
    """
    if quiet:
        return
    try:
        if "tqdm" in sys.modules:
            from tqdm import tqdm

            tqdm.write(text, file=sys.stdout)
        else:
            print(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise Interrupted("standard output was closed", drop_unread()) from None


def drop_unread() -> int:
    """Let a pipe that nobody reads lead nowhere, so that what it still holds is no error at exit.

    Returns:
        The number of the signal that ends other programs there, SIGPIPE.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
        except ValueError:  # it is closed
            continue
    os.close(nowhere)
    return 13


def complain(text: str) -> None:
    """Print an error to stderr, also with `-q`."""
    print(f"{styled('ae-run:', 'red', sys.stderr)} {text}", file=sys.stderr)


def confirm(question: str) -> bool | None:
    """Ask for yes or no, which `agreed` answers; None where no terminal can be asked."""
    if agreed:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """The text in bold, red or yellow where the stream (stdout) shows it."""
    shown = in_colour(stream or sys.stdout)
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if shown else text


def in_colour(stream: TextIO) -> bool:
    """Whether to colour: on a terminal that can, unless `NO_COLOR` is set (no-color.org)."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.platform != "win32" or "WT_SESSION" in os.environ


def _plain(error: UnicodeError) -> tuple[str, int]:
    """An error handler for streams: the plain spelling of what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in characters), error.end


codecs.register_error("ae_run.plain", _plain)
