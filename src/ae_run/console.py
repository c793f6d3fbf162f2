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
from typing import TextIO

quiet = False
"""Only errors are shown."""
verbose = False
"""What otherwise goes to log.txt only is shown too."""

_PLAIN = {
    **{"…": "...", "×": "x", "±": "+/-", "→": "->", "²": "^2", "·": "-", "β": "beta"},
    **{"–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "≈": "~"},
    **{"‘": "'", "’": "'", "“": '"', "”": '"'},
}
_STYLES = {"bold": "1", "red": "1;31", "yellow": "33"}


@contextmanager
def settings(less: bool = False, more: bool = False) -> Iterator[None]:
    """Set `quiet` and `verbose`, and let no character end the program, until the block ends.

    A stream that cannot encode a character (a pipe on Windows, `LC_ALL=C`) gets its plain
    spelling, such as `+/-` for `±`.
    """
    global quiet, verbose
    before = quiet, verbose
    streams = [s for s in (sys.stdout, sys.stderr) if isinstance(s, io.TextIOWrapper)]
    handlers = [stream.errors for stream in streams]
    quiet, verbose = less, more
    for stream in streams:
        stream.reconfigure(errors="ae_run.plain")
    try:
        yield
    finally:
        quiet, verbose = before
        for stream, handler in zip(streams, handlers, strict=True):
            with suppress(ValueError):  # it is closed
                stream.reconfigure(errors=handler)


def say(text: str = "") -> None:
    """Print, above a progress bar if there is one; nothing with `-q`."""
    if quiet:
        return
    if "tqdm" in sys.modules:
        from tqdm import tqdm

        tqdm.write(text, file=sys.stdout)
    else:
        print(text)
    sys.stdout.flush()


def complain(text: str) -> None:
    """Print an error to stderr, also with `-q`."""
    print(f"{styled('ae-run:', 'red', sys.stderr)} {text}", file=sys.stderr)


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
