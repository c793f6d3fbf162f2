"""What the README prints can be typed."""

import re
import shlex
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(?:sh)?\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith("ae-run ") and "=…" not in line and "RUN_DIR" not in line
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_composes(command, cli):
    args = [a for a in shlex.split(command)[1:] if a not in ("-m", "--cfg", "job", "--help")]
    single = [arg.partition(",")[0] if "-m" in command else arg for arg in args]
    result = cli("--cfg", "job", *single)
    assert result.code == 0, result.err


def test_the_test_command_is_there_for_ci():
    assert re.search(r"^pytest\b", TEXT, re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))))
def test_every_file_that_it_shows_is_there(path):
    assert (README.parent / path).exists()
