"""A search is killed, stopped, and its files are torn; nothing finished is lost."""

import errno
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import optuna
import pytest
from helpers.configs import configured
from optuna.trial import FrozenTrial, TrialState
from search_helpers import (
    FAST,
    JOURNAL,
    SPACE,
    children,
    gone,
    kill_all,
    leaves,
    new_queue,
    start,
    trials,
    wait_for,
)

from ae_run import data
from ae_run.errors import UserError
from ae_run.job import Job
from ae_run.run_folder import RunFolder
from ae_run.search import plan, study
from ae_run.search.journal import repair_tail
from ae_run.search.sessions import Sessions, is_dead, owner
from ae_run.search.storage import (
    Opened,
    StorageLost,
    _patient,
    hide,
    open_storage,
    patiently,
    split_password,
)
from ae_run.search.worker import load_images, save_images
from ae_run.search.workers import _shared_images

LINE = (*FAST, SPACE, "search.name=s", "search.workers=2", "search.pruner=none")
LONG = ("data.limit=400", "train.epochs=6", "train.batch_size=16")


def running() -> int:
    return sum(t.state == TrialState.RUNNING for t in trials())


@pytest.mark.slow
def test_killed_five_times_a_search_ends_with_every_trial_once():
    line = (*LINE, *LONG, "search.n_trials=12")
    chance = random.Random(0)
    done: dict[int, list[float]] = {}
    for _ in range(5):
        process = start(*line)
        wait_for(lambda p=process: running() or p.poll() is not None)
        time.sleep(chance.uniform(0, 2))
        workers = children(process.pid) if process.poll() is None else []
        kill_all(process)
        wait_for(lambda w=workers: all(gone(pid) for pid in w), 30)  # they die with their parent
        found = {t.number: t.values for t in trials() if t.state == TrialState.COMPLETE}
        assert done.items() <= found.items()  # what was complete still is
        done = found
    process = start(*line)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    found = trials()
    last = leaves(found)
    assert len(last) == 12
    assert all(t.state in (TrialState.COMPLETE, TrialState.FAIL) for t in last)
    failed = [t for t in last if t.state == TrialState.FAIL]
    assert all(t.user_attrs["deaths"] == 1 for t in failed)  # killed twice: not a third time
    assert all(t.state.is_finished() for t in found)
    params = [tuple(t.params.items()) for t in last if t.params]
    assert len(set(params)) == len(params)
    assert done.items() <= {t.number: t.values for t in found if t.values}.items()


@pytest.mark.slow
def test_a_killed_workers_trial_is_tried_again_once_with_its_values():
    process = start(*LINE, *LONG, "search.n_trials=4")

    def begun() -> list[FrozenTrial]:
        """Trials of which every value is drawn: the last one may come a moment after the first."""
        return [t for t in trials() if t.user_attrs.get("owner") and len(t.params) == 2]

    wait_for(lambda: bool(begun()))
    victim = begun()[0]
    os.kill(victim.user_attrs["owner"]["pid"], signal.SIGKILL)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert "a worker died (signal 9)" in out
    found = trials()
    assert found[victim.number].state == TrialState.FAIL
    again = [t for t in found if t.user_attrs.get("retry_of") == victim.number]
    assert len(again) == 1
    assert again[0].params == victim.params
    assert again[0].state == TrialState.COMPLETE
    assert len(leaves(found)) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.slow
def test_a_stop_request_ends_all_workers_and_the_same_command_resumes(number):
    line = (*LINE, *LONG, "search.n_trials=3", "train.epochs=40")
    process = start(*line)
    wait_for(lambda: any(t.intermediate_values for t in trials()))
    workers = children(process.pid)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "the same command resumes it" in err
    assert "Traceback" not in err
    assert all(gone(pid) for pid in workers)
    waiting = [t for t in trials() if t.state == TrialState.WAITING]
    assert len(waiting) == len(leaves(trials())) == 3
    assert all(t.user_attrs.get("deaths", 0) == 0 for t in waiting)
    assert subprocess_run(*line, "search.n_trials=1") == 0


@pytest.mark.slow
def test_one_worker_in_the_launchers_own_process_is_killed_stopped_and_resumed():
    line = (*LINE, *LONG, "search.workers=1", "search.n_trials=2", "train.epochs=40")
    process = start(*line)
    wait_for(lambda: any(t.intermediate_values for t in trials()))
    assert trials()[0].user_attrs["owner"]["pid"] == process.pid
    assert children(process.pid) == []
    kill_all(process)
    process = start(*line)
    wait_for(lambda: any(t.intermediate_values for t in trials()[1:]))
    killed, _, again = trials()
    assert killed.state == TrialState.FAIL
    assert (again.user_attrs["retry_of"], again.user_attrs["deaths"]) == (0, 1)
    assert again.params == killed.params
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped; 0 of 2 trials are finished; the same command resumes it" in err
    assert "Traceback" not in err
    assert [t.state for t in leaves(trials())] == [TrialState.WAITING] * 2
    stopped = [t for t in trials() if t.user_attrs.get("stopped")]
    assert len(stopped) == 1
    run = RunFolder(Path(f"outputs/search/s/trials/{stopped[0].number}"))
    assert run.read_json("run.json")["status"] == "interrupted"
    assert subprocess_run(*line, "search.n_trials=1") == 0


def subprocess_run(*args: str) -> int:
    return subprocess.run([sys.executable, "-m", "ae_run", *args], check=False).returncode


def test_a_torn_journal_line_is_cut_off_and_kept_beside_it(cli):
    line = (*LINE, "search.workers=1", "search.n_trials=2")
    assert cli(*line).code == 0
    values = [t.values for t in trials()]
    with Path(JOURNAL).open("ab") as file:
        file.write(b'{"op_code":5,"wor')
    torn = Path(JOURNAL).read_bytes()
    result = cli(*line, "search.n_trials=3")
    assert result.code == 0, result.err
    assert [t.values for t in trials()][:2] == values
    assert len(trials()) == 3
    backups = list(Path("outputs/search/s").glob("journal.log.torn-*"))
    assert [path.read_bytes() for path in backups] == [torn]


def test_a_whole_journal_is_left_as_it_is(tmp_path):
    path = tmp_path / "journal"
    repair_tail(path)
    assert not path.exists()
    for content in (b"", b"{}\n"):
        path.write_bytes(content)
        repair_tail(path)
        assert path.read_bytes() == content
        assert [p.name for p in tmp_path.iterdir() if "torn" in p.name] == []


def test_a_journal_of_something_else_is_named(cli):
    Path("outputs/search/s").mkdir(parents=True)
    Path(JOURNAL).write_text("no journal\nat all\n")
    result = cli(*LINE)
    assert result.code == 2
    assert "not readable as a journal at line 1 (JSONDecodeError" in result.err


RECORDS = (
    "{}",
    "[1]",
    '{"op_code":77}',
    '{"op_code":4,"worker_id":"a"}',
    "null",
    "no JSON",
    "\0\0",
)


@pytest.mark.parametrize("record", RECORDS)
def test_a_wrong_record_in_a_journal_is_named_kept_and_can_be_gone_on_without(record, tmp_path):
    queue = new_queue(tmp_path)
    queue.fill(3)
    journal = tmp_path / "journal.log"
    good = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([*good[:2], f"{record}\n", *good[2:]]))
    wrong = journal.read_bytes()
    for _ in range(2):
        with pytest.raises(UserError, match="not readable as a journal at line 3 ") as end:
            open_storage(None, None, tmp_path, 0)
    assert "\n" not in str(end.value)
    (copy,) = tmp_path.glob("journal.log.damaged-*")
    assert copy.read_bytes() == wrong
    command = re.search(r"without that line: (sed .*?);", str(end.value))[1]
    subprocess.run(shlex.split(command), check=True)
    assert len(new_queue(tmp_path).slots()) == 3


@pytest.mark.parametrize("tail", [b"\0\0\0\n", b"no record\n", b'{"op_code":5,"wor'])
def test_bytes_after_a_journals_last_record_are_cut_off_and_kept(tail, tmp_path):
    new_queue(tmp_path).fill(3)
    journal = tmp_path / "journal.log"
    good = journal.read_bytes()
    journal.write_bytes(good + tail)
    assert len(new_queue(tmp_path).slots()) == 3
    (copy,) = tmp_path.glob("journal.log.torn-*")
    assert copy.read_bytes() == good + tail


@pytest.mark.parametrize("where", ["folder", "file/below.db", "notes.txt"])
def test_a_sqlite_file_that_cannot_be_made_or_is_none_is_named(where, cli):
    Path("folder").mkdir()
    Path("file").touch()
    Path("notes.txt").write_text("no database\n" * 100)
    result = cli(*LINE, "search.workers=1", f"search.storage=sqlite:///{where}")
    assert result.code == 2
    assert f"search.storage=sqlite:///{where}: cannot be opened: " in result.err
    assert result.err.count("\n") == 1


def test_a_lock_that_a_killed_process_held_is_free_at_once(tmp_path):
    code = (
        "import sys, pathlib, time\n"
        "from ae_run.search.storage import open_storage\n"
        "opened = open_storage(None, None, pathlib.Path(sys.argv[1]), 0)\n"
        "with opened.lock():\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    started = time.monotonic()
    with open_storage(None, None, tmp_path, 0).lock():
        assert time.monotonic() - started < 5


def test_the_lock_of_a_folder_tells_whether_its_owner_is_alive(tmp_path):
    code = (
        "import sys, json, pathlib, time\n"
        "from ae_run.run_folder import RunFolder\n"
        "from ae_run.search.sessions import owner\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with RunFolder(folder).lock():\n"
        "    print(json.dumps(owner(folder)), flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    known = json.loads(process.stdout.readline())
    assert known == owner(tmp_path) | {"pid": process.pid}
    assert is_dead(known) is False
    assert is_dead({**known, "host": "elsewhere"}) is None
    assert is_dead({**known, "folder": str(tmp_path / "elsewhere")}) is None
    process.kill()
    wait_for(lambda: gone(process.pid))  # a zombie now, until it is waited for
    assert is_dead(known) is True
    assert is_dead({**known, "host": "elsewhere"}) is None
    process.communicate()
    with RunFolder(tmp_path).lock():  # this process lives
        assert is_dead(owner(tmp_path)) is False


@pytest.mark.slow
def test_two_at_once_fill_a_study_once():
    first, second = start(*LINE, "search.n_trials=5"), start(*LINE, "search.n_trials=5")
    for process in (first, second):
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err
    assert [t.state for t in trials()] == [TrialState.COMPLETE] * 5
    assert len({t.user_attrs["owner"]["pid"] for t in trials()}) >= 2


def test_the_images_are_shared_and_the_test_split_is_not(tmp_path):
    dataset = data.load(configured("data.limit=50").data)
    (tmp_path / "images").mkdir()
    save_images(dataset, tmp_path / "images")
    copy = load_images(tmp_path / "images")
    assert copy.train.images.file is not None  # mapped from it
    assert np.array_equal(copy.train.images, dataset.train.images)
    assert (copy.validation.labels == dataset.validation.labels).all()
    assert copy.fingerprint == dataset.fingerprint
    assert len(copy._test) == 0
    assert copy.image_shape == dataset.image_shape
    assert copy.class_names == dataset.class_names
    assert copy.twins == dataset.twins


def test_shared_images_are_removed_and_so_are_those_of_killed_processes(tmp_path):
    dataset = data.load(configured("data.limit=50").data)
    folder, queue = RunFolder(tmp_path), new_queue(tmp_path)
    (tmp_path / ".images-killed").mkdir()
    (tmp_path / ".images-killed/.lock").touch()
    with _shared_images(dataset, folder, queue) as first:
        assert len(list(first.iterdir())) > 4
        with _shared_images(dataset, folder, queue) as second:
            assert sorted(tmp_path.glob(".images-*")) == sorted([first, second])
    assert list(tmp_path.glob(".images-*")) == []


def test_a_study_is_identified_by_its_values_not_by_how_numbers_are_written(tmp_path):
    queue = new_queue(tmp_path)
    queue.identify({"train.min_delta": "0", "seed": "0"})
    queue.identify({"train.min_delta": "0.0", "seed": "0"})
    with pytest.raises(UserError, match=r"train\.min_delta is 0 there, 0\.1 here; give"):
        queue.identify({"train.min_delta": "0.1", "seed": "0"})
    with pytest.raises(UserError, match="seed is 0 there, absent here"):
        queue.identify({"train.min_delta": "0"})


def test_a_search_is_the_same_whatever_keys_were_added_that_tell_no_searches_apart(tmp_path):
    queue = new_queue(tmp_path)
    stored = {"train.epochs": "4", "data.name": "digits", "seed": "0"}
    queue.identify(stored)
    queue.identify(stored)
    queue.identify(stored | {"data.binarize": "none"})
    with pytest.raises(UserError, match=r"data\.binarize is none there, random here"):
        queue.identify(stored | {"data.binarize": "random"})


def test_a_study_gives_no_more_trials_than_wait(tmp_path):
    queue = new_queue(tmp_path)
    queue.fill(2)
    queue.fill(2)
    for _ in range(2):
        with queue.take("session") as taken:
            assert taken is not None
            queue.tell(taken[0], TrialState.COMPLETE, taken[0].suggest_float("a", 0, 1))
    with queue.take("session") as taken:
        assert taken is None
    queue.fill(5)
    queue.fill(3)  # two of those that wait are dropped
    assert len(queue.slots()) == 3
    queue.fill(4)
    assert len(queue.slots()) == 4
    assert len(queue.trials()) == 6


def test_of_many_trials_only_some_wait_and_all_are_given_once(tmp_path):
    first, second = new_queue(tmp_path), new_queue(tmp_path)
    first.fill(100)
    numbers = []
    for queue in 50 * (first, second):
        assert 0 <= len(queue.trials()) - len(numbers) <= 16
        with queue.take("session") as taken:
            assert taken is not None
            numbers.append(taken[0].number)
            queue.tell(taken[0], TrialState.COMPLETE, 1.0)
    assert numbers == list(range(100))
    with second.take("session") as taken:
        assert taken is None
    assert len(first.trials()) == first.ledger.look().total == 100


def test_a_trial_that_another_process_takes_first_is_left_to_it(tmp_path, monkeypatch):
    first, second = new_queue(tmp_path), new_queue(tmp_path)
    first.fill(2)
    listed = first.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    monkeypatch.setattr(first.study, "get_trials", lambda **_: listed)
    with second.take("one") as faster, first.take("other") as taken:
        assert (faster[0].number, taken[0].number) == (0, 1)


def test_a_taken_trial_is_lost_when_its_lock_is_free(tmp_path):
    queue = new_queue(tmp_path)
    sessions = Sessions(queue.study)
    queue.fill(1)
    with queue.take(sessions.own) as taken:
        assert taken is not None
        trial, folder = taken
        assert folder.path == tmp_path / "trials/0"
        trial.suggest_float("a", 0, 1)
        assert queue.repair(sessions) == 0
    assert queue.repair(sessions) == 1  # it was not told, as if its worker had died
    (last,) = queue.slots()
    assert last.state == TrialState.WAITING
    assert last.user_attrs["retry_of"] == 0
    assert last.params == trial.params


def test_a_trial_that_another_process_finished_is_not_told_twice(tmp_path):
    queue = new_queue(tmp_path)
    queue.fill(1)
    with queue.take("session") as taken:
        assert taken is not None
        queue.study.tell(0, state=TrialState.FAIL)
        with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
            queue.tell(taken[0], TrialState.COMPLETE, 1.0)
    assert [t.state for t in queue.trials()] == [TrialState.FAIL]


def test_a_trial_of_another_machine_is_lost_when_its_session_is_silent(tmp_path, monkeypatch):
    queue = new_queue(tmp_path)
    other, here = Sessions(queue.study), Sessions(queue.study)
    queue.fill(1)
    with queue.take(other.own) as taken:
        assert taken is not None
        elsewhere = {"host": "elsewhere", "pid": 1, "folder": "/x", "session": other.own}
        taken[0].set_user_attr("owner", elsewhere)
    now = time.monotonic()
    for seconds, beats in ((0, True), (50, False), (55, True), (100, False)):
        monkeypatch.setattr(time, "monotonic", lambda s=seconds: now + s)
        if beats:
            other.beat()
        assert queue.repair(here) == 0
    monkeypatch.setattr(time, "monotonic", lambda: now + 116)
    assert queue.repair(here) == 1


def test_a_session_beats_while_the_main_thread_is_busy(tmp_path, monkeypatch):
    monkeypatch.setattr("ae_run.search.sessions.HEARTBEAT", 0.05)
    queue = new_queue(tmp_path)
    sessions = Sessions(queue.study)
    sessions.beat()
    times = lambda: queue.study.user_attrs[f"session:{sessions.own}"][1]  # noqa: E731
    first = times()
    with sessions.beating(lambda: open_storage(None, None, tmp_path, 0)):
        wait_for(lambda: times() > first, 30)
        with queue.opened.lock():  # held for longer than it beats, and used meanwhile
            for _ in range(20):
                queue.study.set_user_attr("busy", time.monotonic())
                time.sleep(0.01)
        again = times()
        wait_for(lambda: times() > again, 30)


def test_sessions_add_up_the_time_without_gaps_or_overlaps(tmp_path):
    queue = new_queue(tmp_path)
    for name, times in {"a": [0, 10], "b": [5, 20], "c": [6, 8], "d": [100, 101]}.items():
        queue.study.set_user_attr(f"session:{name}", times)
    assert Sessions(queue.study).elapsed() == 21


def test_every_call_on_a_database_survives_a_connection_that_breaks_in_it(tmp_path, monkeypatch):
    import sqlalchemy

    study.quiet()
    monkeypatch.setattr(time, "sleep", lambda _: None)
    database = optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/s.db")
    broken: list[bool] = []

    @sqlalchemy.event.listens_for(database.engine, "before_cursor_execute")
    def execute(*_: object) -> None:
        if broken:
            broken.pop()
            raise sqlalchemy.exc.OperationalError("select", {}, Exception("gone"))

    @contextmanager
    def lock() -> Iterator[None]:
        broken.append(True)
        yield

    opened = Opened(_patient(database, 5), lock)
    try:
        queue = new_queue(tmp_path, opened)
        queue.fill(2)
        with queue.take("session") as taken:
            assert taken is not None
            trial = taken[0]
            for call in (
                lambda: trial.suggest_float("a", 0, 1),
                lambda: trial.report(1.0, 1),
                lambda: trial.should_prune(),
                lambda: trial.set_user_attr("facts", {}),
                lambda: queue.tell(trial, TrialState.COMPLETE, 1.0),
                lambda: queue.study.set_user_attr("x", 1),
                lambda: queue.trials(),
            ):
                broken.append(True)
                call()
                assert not broken
        first, second = queue.trials()
        assert (first.state, first.values) == (TrialState.COMPLETE, [1.0])
        assert second.state == TrialState.WAITING
    finally:
        database.remove_session()
        database.engine.dispose()


@pytest.fixture
def disk(monkeypatch):
    """A disk that is full from the n-th file on that is written to it; None: it has room."""
    state: dict[str, int | None] = {"room": None}
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if state["room"] is not None:
            if state["room"] <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            state["room"] -= 1
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    return state


def test_a_full_disk_stops_the_search_and_loses_no_trial(cli, disk):
    line = (*LINE, "search.workers=1", "search.n_trials=3")
    for room in (0, 3, 9, 15, 40):
        disk["room"] = room
        result = cli(*line)
        assert result.code == 1, room
        assert "No space left on device" in result.err
        assert result.err.count("\n") == 1
    disk["room"] = None
    assert cli(*line).code == 0
    assert [t.state for t in leaves(trials())] == [TrialState.COMPLETE] * 3
    assert not [t for t in trials() if "reason" in t.user_attrs]


def test_failures_of_the_machine_in_an_older_journal_are_tried_again(tmp_path):
    queue = new_queue(tmp_path)
    reasons = {
        "/x/history.csv: No space left on device; 1 finished epoch saved; resume with: …": True,
        "PermissionError: [Errno 13] Permission denied: '/x'": True,
        "RuntimeError: DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes": True,
        f"MemoryError: Unable to allocate {10**6} TiB for an array": False,
        "the loss is not finite": False,
    }
    queue.fill(len(reasons))
    for reason in reasons:
        with queue.take("session") as taken:
            taken[0].set_user_attr("reason", reason)
            queue.tell(taken[0], TrialState.FAIL)
    assert not queue.ledger.look().is_hopeless
    queue.repair(Sessions(queue.study))
    waits = [t.state == TrialState.WAITING for t in queue.slots()]
    assert waits == list(reasons.values())


def test_a_trial_without_memory_stops_the_search_once_and_then_fails(cli, monkeypatch):
    from ae_run.search import trial

    line = (*LINE, "search.workers=1", "search.n_trials=3")
    fit = trial.fit

    def short_of_memory(run):
        if run.folder.path.name in ("1", "3"):  # the trial, and its second try
            raise MemoryError("Unable to allocate 5.00 GiB for an array with shape (7,)")
        return fit(run)

    monkeypatch.setattr(trial, "fit", short_of_memory)
    result = cli(*line)
    assert result.code == 1
    assert "not enough memory (5.4 GB asked for at once, " in result.err
    assert "the same command resumes it" in result.err
    assert result.err.count("\n") == 1
    assert cli(*line).code == 0
    ended = {t.number: t.state for t in leaves(trials())}
    assert ended == {0: TrialState.COMPLETE, 2: TrialState.COMPLETE, 3: TrialState.FAIL}


@pytest.mark.slow
def test_a_worker_that_lacks_something_ends_the_search_with_its_line(cli, monkeypatch):
    Path("sitecustomize.py").write_text(
        "import os\n"
        "def full(descriptor):\n    raise OSError(28, 'No space left on device')\n"
        "if os.environ.get('ONLY_WORKERS'):\n    os.fsync = full\n"
    )
    monkeypatch.setenv("ONLY_WORKERS", "1")
    monkeypatch.setenv("PYTHONPATH", f"{Path.cwd()}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    line = (*LINE, "search.n_trials=4")
    result = cli(*line)
    assert result.code == 1
    assert "No space left on device; finished trials are kept" in result.err
    assert result.err.count("\n") == 1
    monkeypatch.delenv("ONLY_WORKERS")
    assert cli(*line).code == 0
    assert [t.state for t in leaves(trials())] == [TrialState.COMPLETE] * 4


def test_passwords_are_taken_out():
    url = "postgresql://me:s%20cret@host:5432/db"
    assert split_password(url) == ("postgresql://me@host:5432/db", "s cret")
    for other in ("postgresql://host/db", "sqlite:///a:b@c.db", "/a/b", "postgresql://h/a:b@c"):
        assert split_password(other) == (other, None)
    assert hide("no s cret, no s%20cret", "s cret") == "no ***, no ***"


def test_a_lost_connection_is_waited_for():
    import sqlalchemy

    calls = []

    def call() -> str:
        calls.append(time.monotonic())
        if len(calls) < 3:
            cause: Exception = sqlalchemy.exc.OperationalError("select", {}, Exception("gone"))
            if len(calls) == 2:
                cause = sqlalchemy.exc.PendingRollbackError("the same, noticed later")
            raise optuna.exceptions.StorageInternalError from cause
        return "back"

    assert patiently(call, 5)() == "back"

    def never() -> None:
        raise sqlalchemy.exc.OperationalError("select", {}, Exception("gone"))

    with pytest.raises(StorageLost, match=r"did not come back within 0\.2 s"):
        patiently(never, 0.2)()


@pytest.mark.slow
def test_each_worker_of_a_search_has_a_gpu_of_its_own_in_turn(cli, monkeypatch):
    """A stand-in: PyTorch says that there are two; the workers then find none, and use the CPU."""
    import torch

    from ae_run import processes

    begun = processes.start
    given = []

    def start(command, output=None, environment=None):
        given.append(environment)
        return begun(command, output, environment)

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(processes, "start", start)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    result = cli(*LINE, "search.n_trials=4")
    assert result.code == 0, result.err
    assert given[:2] == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]


@pytest.mark.parametrize(
    ("device", "gpus", "cores", "n_trials", "workers"),
    [
        ("auto", 8, 4, 50, 8),  # one per GPU, though there are fewer cores
        ("auto", 2, 16, 50, 8),  # at most four per GPU
        ("cuda", 2, 5, 50, 5),
        ("cuda:1", 8, 16, 50, 4),  # one GPU, which `device` names
        ("auto", 8, 16, 3, 3),
        ("cpu", 8, 6, 50, 6),
    ],
)
def test_as_many_workers_start_by_themselves_as_cores_and_gpus_can_serve(
    monkeypatch, device, gpus, cores, n_trials, workers
):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(plan, "usable_cores", lambda: cores)
    line = ("task=search", f"device={device}", f"search.n_trials={n_trials}")
    made = plan.make(Job(configured(*line), [], "digits-lab_mlp", None))
    assert (made.workers, made.threads) == (workers, max(1, cores // workers))
