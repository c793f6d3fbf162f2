"""PostgreSQL as storage, on a real server that these tests start."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState
from search_helpers import FAST, SPACE, leaves, start, trials, wait_for

from ae_run.search.storage import open_storage, split_password

pytestmark = pytest.mark.slow

PASSWORD = "s3/c:r t%"
QUOTED = "s3%2Fc%3Ar%20t%25"
LONG = ("data.limit=400", "train.epochs=6", "train.batch_size=16")


def binaries() -> Path | None:
    """The folder of the server's programs, which distributions keep out of the path."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


@dataclass
class Server:
    """A server of the tests' own."""

    bin: Path
    folder: Path
    port: int
    user: str | None
    """Whom it runs as: it refuses root."""

    @property
    def url(self) -> str:
        return f"postgresql://tester:{QUOTED}@127.0.0.1:{self.port}/postgres"

    @property
    def direct(self) -> str:
        """The address for Optuna itself, which asks the server for no encoding."""
        return self.url.replace("ql:", "ql+psycopg:") + "?client_encoding=utf8"

    def call(self, program: str, *args: str) -> None:
        subprocess.run(
            [self.bin / program, *args],
            user=self.user,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )

    def up(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.call("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def down(self) -> None:
        self.call("pg_ctl", "stop", "-m", "immediate", "-D", "data")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder_of_programs = binaries()
    if folder_of_programs is None:
        pytest.skip("needs the PostgreSQL server's programs (initdb, pg_ctl)")
    user = None
    if os.geteuid() == 0:
        import pwd

        names = {entry.pw_name for entry in pwd.getpwall()}
        user = "postgres" if "postgres" in names else "nobody"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="ae-run-pg-"))
    (folder / "pw").write_text(PASSWORD)
    if user is not None:
        for path in (folder, folder / "pw"):
            shutil.chown(path, user)
    one = Server(folder_of_programs, folder, port, user)
    # Without an encoding, as under the C locale.
    encoding = ("--no-locale", "--encoding=SQL_ASCII")
    one.call(
        "initdb", "-D", "data", "-U", "tester", "-A", "scram-sha-256", "--pwfile=pw", *encoding
    )
    one.up()
    try:
        yield one
    finally:
        one.down()
        shutil.rmtree(folder)


def test_two_workers_of_which_one_is_killed(server):
    line = (
        *FAST,
        *LONG,
        SPACE,
        "search.name=pg",
        "search.workers=2",
        "search.n_trials=6",
        "search.pruner=none",
        f"search.storage={server.url}",
    )
    process = start(*line)
    known = lambda: trials(server.direct, "pg")  # noqa: E731
    wait_for(lambda: Path("outputs/search/pg/trials").is_dir(), 100)
    wait_for(lambda: any(t.user_attrs.get("owner") and t.params for t in known()))
    victim = next(t for t in known() if t.user_attrs.get("owner") and t.params)
    told = command_lines_with(f":{server.port}/")
    os.kill(victim.user_attrs["owner"]["pid"], signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    found = known()
    last = leaves(found)
    assert [t.state for t in last] == [TrialState.COMPLETE] * 6
    assert len({tuple(t.params.items()) for t in last}) == 6
    again = [t for t in found if t.user_attrs.get("retry_of") == victim.number]
    assert [t.params for t in again] == [victim.params]
    # The same command joins in, and finds nothing left to do.
    second = start(*line)
    _, text = second.communicate(timeout=200)
    assert second.returncode == 0, text
    assert len(known()) == len(found)
    for secret in (PASSWORD, QUOTED):
        assert secret not in out + err
        assert not [
            path
            for path in Path().rglob("*")
            if path.is_file() and secret.encode() in path.read_bytes()
        ]
    # The command line that the user typed alone has the address.
    assert told == {process.pid}


def command_lines_with(text: str) -> set[int]:
    """The processes of this machine that have it on their command line."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text in path.read_text(errors="replace"):
                found.add(int(path.parent.name))
    return found


def test_a_server_that_comes_back_is_waited_for(server):
    line = (
        *FAST,
        *LONG,
        SPACE,
        "search.name=back",
        "search.n_trials=4",
        "search.pruner=none",
        f"search.storage={server.url}",
    )
    process = start(*line)
    wait_for(lambda: list(Path("outputs/search/back/trials").glob("*/history.csv")))
    server.down()
    threading.Timer(3, server.up).start()
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    last = leaves(trials(server.direct, "back"))
    assert [t.state for t in last] == [TrialState.COMPLETE] * 4


def test_calls_in_progress_survive_a_server_that_restarts(server, tmp_path):
    url, password = split_password(server.url)
    opened = open_storage(url, password, tmp_path, 60)
    calls, errors, ended = [0], [], threading.Event()

    def call_always() -> None:
        try:
            study = optuna.create_study(storage=opened.storage, study_name="restarts")
            while not ended.is_set():
                study.set_user_attr("calls", calls[0])
                calls[0] = study.user_attrs["calls"] + 1
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=call_always)
    thread.start()
    try:
        for _ in range(4):
            before = calls[0]
            wait_for(lambda before=before: calls[0] > before + 3 or errors)
            server.down()
            server.up()
    finally:
        ended.set()
        thread.join()
        opened.close()
    assert errors == []


def test_a_server_that_stays_away_ends_the_search_with_one_message(server):
    line = (
        *FAST,
        *LONG,
        SPACE,
        "search.name=away",
        "search.n_trials=40",
        "search.reconnect_seconds=2",
        f"search.storage={server.url}",
    )
    process = start(*line)
    wait_for(lambda: list(Path("outputs/search/away/trials").glob("*/history.csv")))
    server.down()
    try:
        _, err = process.communicate(timeout=200)
    finally:
        server.up()
    assert process.returncode == 1
    assert "did not come back within 2 s" in err
    assert "the same command resumes it" in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_an_unreachable_server_is_one_message_without_the_password(cli: Callable[..., object]):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"postgresql://me:{QUOTED}@127.0.0.1:{port}/db"
    result = cli(*FAST, SPACE, f"search.storage={url}")
    assert result.code == 1  # type: ignore[attr-defined]
    err = result.err  # type: ignore[attr-defined]
    assert f"postgresql://me@127.0.0.1:{port}/db: cannot be reached" in err
    assert err.count("\n") == 1
    assert QUOTED not in err
    assert not list(Path().rglob("*.log"))


def test_a_password_never_gets_into_the_config(cli: Callable[..., object]):
    url = f"postgresql://me:{QUOTED}@127.0.0.1:1/db"
    before = os.environ.get("PGPASSWORD")
    for args in (
        ("--cfg", "job"),
        ("data.limit=80", "train.epochs=1", "evaluate=quick"),
        ("-m", "data.limit=80", "train.epochs=1", "evaluate=quick", "seed=1,2"),
        ("search.storage=oracle://me:pw@x/y", "task=search"),
        ("task=search", "search.workers=0"),
    ):
        result = cli(f"search.storage={url}", *args)
        assert QUOTED not in result.out + result.err  # type: ignore[attr-defined]
        assert "me:pw" not in result.out + result.err  # type: ignore[attr-defined]
    assert os.environ.get("PGPASSWORD") == before
    for path in Path().rglob("*"):
        assert not path.is_file() or QUOTED.encode() not in path.read_bytes(), path
