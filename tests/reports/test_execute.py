"""A report's worker process stops when its parent asks it to, and when its parent is gone."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import multiprocessing
import sys
import time
from pathlib import Path

from ae_run.reports.execute import start_worker
from ae_run.training.interrupts import stop_requests


def work(stop, answer):
    with stop_requests() as request:
        start_worker(1, stop)
        answer.with_name("ready").touch()
        while request.signal_number is None:
            time.sleep(0.05)
        answer.write_text("stopped", encoding="utf-8")


if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    stop, answer = context.Event(), Path(sys.argv[1])
    process = context.Process(target=work, args=(stop, answer))
    process.start()
    while not answer.with_name("ready").exists():
        time.sleep(0.05)
    if sys.argv[2] == "ask":
        stop.set()
        process.join()
    else:
        print("ready", flush=True)
        time.sleep(600)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def test_a_worker_stops_when_its_parent_asks(program, tmp_path):
    command = [sys.executable, str(program), str(tmp_path / "answer"), "ask"]
    subprocess.run(command, check=True, timeout=120)
    assert (tmp_path / "answer").read_text(encoding="utf-8") == "stopped"


def test_a_worker_stops_when_its_parent_was_killed(program, tmp_path):
    command = [sys.executable, str(program), str(tmp_path / "answer"), "die"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
    for _ in range(600):
        if (tmp_path / "answer").exists():
            break
        time.sleep(0.1)
    assert (tmp_path / "answer").read_text(encoding="utf-8") == "stopped"


def test_a_run_that_was_still_waiting_is_not_started(monkeypatch, tmp_path):
    from multiprocessing import get_context

    from ae_run.errors import Interrupted
    from ae_run.reports import execute

    stop = get_context("spawn").Event()
    stop.set()
    monkeypatch.setattr(execute, "_stop", stop)
    with pytest.raises(Interrupted):
        execute.execute(None, tmp_path / "run")
    assert not (tmp_path / "run").exists()
