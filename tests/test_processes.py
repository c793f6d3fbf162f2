"""Child processes and stop signals on this system, and what Windows would be asked for."""

import os
import signal
import subprocess
import sys
import tempfile
from typing import Any

import pytest

from ae_run import processes

CHILD = (
    "import signal, sys, time\n"
    "from ae_run import processes\n"
    "def stop(number, frame):\n"
    "    print('asked', flush=True)\n"
    "    sys.exit(7)\n"
    "for number in processes.stop_signals():\n"
    "    signal.signal(number, stop)\n"
    "print('ready', flush=True)\n"
    "sys.stdin.read()\n"
    "print('alone', flush=True)\n"
)


def test_a_child_is_asked_to_stop_and_ends_by_itself():
    read, write = os.pipe()
    process = processes.start([sys.executable, "-c", CHILD], write)
    os.close(write)
    with os.fdopen(read) as said:
        assert said.readline() == "ready\n"
        assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
        processes.ask_to_stop(process)
        assert said.read() == "asked\n"
    assert process.wait() == 7
    processes.ask_to_stop(process)  # has ended: nothing happens
    assert process.stdin is not None
    process.stdin.close()


def test_the_pipe_to_a_child_closes_with_its_parent():
    with tempfile.TemporaryFile() as said:
        process = processes.start([sys.executable, "-c", CHILD], said)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0
        said.seek(0)
        assert said.read() == b"ready\nalone\n"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the standard library offers there."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200, raising=False)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)


@pytest.mark.usefixtures("windows")
def test_on_windows_a_child_has_a_group_of_its_own_and_gets_ctrl_break(monkeypatch):
    started: dict[str, Any] = {}
    sent: list[int] = []

    class Process:
        def __init__(self, command: list[str], **options: Any) -> None:
            started.update(options, command=command)

        def send_signal(self, number: int) -> None:
            sent.append(number)

    monkeypatch.setattr(subprocess, "Popen", Process)
    process = processes.start(["program"], 5)
    assert started == {
        "command": ["program"],
        "stdin": subprocess.PIPE,
        "stdout": 5,
        "stderr": 5,
        "env": None,
        "creationflags": 0x200,
    }
    processes.ask_to_stop(process)
    assert sent == [1]


@pytest.mark.usefixtures("windows")
def test_on_windows_ctrl_break_is_a_stop_signal_too():
    assert processes.stop_signals() == (signal.SIGINT, signal.SIGTERM, 21)
