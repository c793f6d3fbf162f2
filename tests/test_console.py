"""What is printed: on streams of any encoding, in colour on terminals only."""

import io
import os
import sys

import pytest
from command_line import run_process

from ae_run import console


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1"])
def test_help_is_printed_on_every_encoding(encoding):
    done = run_process(
        ["-m", "ae_run", "--help"],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        encoding=encoding,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "UnicodeEncodeError" not in done.stderr
    assert "scored by the ELBO at" in done.stdout


def test_what_a_stream_cannot_encode_is_spelled_plainly(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    with console.settings():
        console.say("mse 0.1 ± 0.2 → 7 × PCA, 日")
    assert raw.getvalue().decode() == "mse 0.1 +/- 0.2 -> 7 x PCA, ?\n"
    assert sys.stdout.errors == "strict"


def test_an_error_is_red_on_a_terminal_only(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("WT_SESSION", "1")
    monkeypatch.setattr(sys, "stderr", Terminal())
    console.complain("no")
    assert sys.stderr.getvalue() == "\x1b[1;31mae-run:\x1b[0m no\n"
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    console.complain("no")
    assert sys.stderr.getvalue() == "ae-run: no\n"


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_the_environment_switches_colours_off(variable, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(*variable)
    assert not console.in_colour(Terminal())


def test_settings_end_with_their_block():
    with console.settings(less=True):
        assert console.quiet
    assert not console.quiet
