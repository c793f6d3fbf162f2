"""Runs commands, each in a fork of one process that has imported everything, and kills them.

`python -m helpers.killed` reads jobs as lines of JSON: the folder to run in, the arguments of
`ae-run` (or `fetch`, a path, a hash and an address), and n. The job's process kills itself in the
middle of its n-th write, or before its n-th rename, fsync, truncation or removal of a file.
"""

import builtins
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CALLS = ("replace", "rename", "fsync", "truncate", "unlink", "remove", "mkdir", "rmdir")


class _Fuse:
    """Counts system calls, and ends the process at the n-th; never, if n is 0."""

    def __init__(self, n: int) -> None:
        self.n, self.count = n, 0

    def burns_down(self) -> bool:
        self.count += 1
        return self.count == self.n

    def die(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        for name in _CALLS:
            setattr(os, name, self._guarded(getattr(os, name)))
        real, fuse = io.open, self

        class File(io.FileIO):
            def write(self, content: Any) -> int:
                if fuse.burns_down():
                    super().write(bytes(content)[: len(content) // 2])
                    fuse.die()
                return super().write(content)

        def opened(
            file: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any
        ) -> Any:
            text = dict(zip(("encoding", "errors", "newline"), args, strict=False)) | kwargs
            if isinstance(file, int) or not {*mode} & {*"wax+"} or text.get("opener"):
                return real(file, mode, buffering, *args, **kwargs)
            raw = File(file, mode.replace("b", "").replace("t", ""))
            binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return binary if "b" in mode else io.TextIOWrapper(binary, **text)

        io.open = opened
        builtins.open = opened

    def _guarded(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self.burns_down():
                self.die()
            return call(*args, **kwargs)

        return guarded


def _run(job: dict[str, Any]) -> None:
    """In the fork: run a job and exit with its code."""
    os.chdir(job["folder"])
    os.environ["XDG_CACHE_HOME"] = str(Path(job["folder"]) / "cache")
    with Path(job["said"]).open("ab", buffering=0) as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    fuse = _Fuse(job["n"])
    fuse.install()
    first, *rest = job["args"]
    if first == "fetch":
        from ae_run.data import _download

        _download.fetch(Path(rest[0]), rest[2:], known_hash=rest[1])
        code = 0
    else:
        import ae_run

        code = ae_run.main(job["args"])
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(job["pipe"], str(fuse.count).encode())
    os._exit(code)


def _serve() -> None:
    import matplotlib.backends.backend_agg  # noqa: F401
    import pooch  # noqa: F401
    import requests  # noqa: F401
    import sklearn.decomposition  # noqa: F401
    import torch

    import ae_run.check
    import ae_run.figures
    import ae_run.handover.encode
    import ae_run.search.task
    import ae_run.search.trial
    import ae_run.tasks
    import ae_run.training.run  # noqa: F401

    torch.set_num_threads(1)
    for line in sys.stdin:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                _run(json.loads(line) | {"pipe": writing})
            except BaseException:
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
            os._exit(99)
        os.close(writing)
        _, status = os.waitpid(pid, 0)
        count = os.read(reading, 99).decode()
        os.close(reading)
        answer = {"code": os.waitstatus_to_exitcode(status), "count": int(count or 0)}
        print(json.dumps(answer), flush=True)


@dataclass
class Ended:
    """How a job ended."""

    code: int
    """Negative: minus the signal."""
    count: int
    """Its system calls; 0 if it was killed."""
    said: str


class Jobs:
    """Runs jobs, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, folder: Path, *args: str, n: int = 0) -> Ended:
        """Run a command in a folder, and kill it at its n-th system call; 0: never."""
        said = folder / "said"
        said.unlink(missing_ok=True)
        job = {"folder": str(folder), "args": args, "n": n, "said": str(said)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(job), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        return Ended(answer["code"], answer["count"], said.read_text(errors="replace"))


@contextmanager
def jobs() -> Any:
    """A process that runs jobs."""
    command = [sys.executable, "-m", "helpers.killed"]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    ) as process:
        yield Jobs(process)
        assert process.stdin is not None
        process.stdin.close()


if __name__ == "__main__":
    _serve()
