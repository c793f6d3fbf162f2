"""What only some systems have is called from one file, and its other branches run here.

`mypy --platform win32` and `--platform darwin`, which CI runs, check the same for every name of the
standard library.
"""

import ast
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import platformdirs
import pytest
from platformdirs.macos import MacOS
from platformdirs.windows import Windows

import ae_run
from ae_run import atomic, processes
from ae_run.atomic import write_bytes
from ae_run.data import _files, cache_dir

PACKAGE = Path(ae_run.__file__).parent
SCRIPTS = Path(__file__).parent.parent / "scripts"
ONE_PLACE = PACKAGE / "processes.py"

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty", "msvcrt"}
MODULES |= {"winreg", "_winapi"}
# Missing on Windows or macOS, or there with another meaning.
NAMES = {
    "os": {
        *("chown", "fchmod", "fork", "forkpty", "getegid", "geteuid", "getgid", "getloadavg"),
        *("getpgid", "getpgrp", "getppid", "getuid", "kill", "killpg", "mkfifo", "nice", "openpty"),
        *("sched_getaffinity", "sched_setaffinity", "set_inheritable", "setpgid", "setsid"),
        *("symlink", "uname", "wait", "waitpid", "cpu_count"),
    },
    "signal": {"SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGUSR1", "SIGUSR2", "alarm", "pause"},
}
OPTIONS = {"pass_fds", "preexec_fn", "start_new_session", "process_group", "creationflags"}
METHODS = {"send_signal", "terminate", "symlink_to", "hardlink_to", "fdopen"}
FOLDERS = ("/proc", "/sys/", "/dev/", "/tmp", "/etc/")
PROGRAMS = {"ps", "kill", "sh", "bash", "lsof", "taskkill"}


def wrong_in(tree: ast.AST) -> Iterator[str]:
    """What of the above a file uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ({alias.name for alias in node.names} & MODULES)
        elif isinstance(node, ast.ImportFrom):
            yield from ({str(node.module)} & MODULES)
            yield from ({alias.name for alias in node.names} & NAMES.get(str(node.module), set()))
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            yield from ({node.attr} & (NAMES.get(owner, set()) | METHODS))
        elif isinstance(node, ast.Call):
            yield from ({str(word.arg) for word in node.keywords} & OPTIONS)
        elif isinstance(node, ast.List) and node.elts:
            first = node.elts[0]
            yield from ({str(first.value)} & PROGRAMS if isinstance(first, ast.Constant) else ())
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (folder for folder in FOLDERS if node.value.startswith(folder))


def test_one_file_calls_what_only_some_systems_have():
    found = {
        f"{path.name}: {name}"
        for folder in (PACKAGE, SCRIPTS)
        for path in sorted(folder.rglob("*.py"))
        if path != ONE_PLACE
        for name in wrong_in(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set()


@pytest.mark.parametrize(
    "line",
    [
        "import resource",
        "from os import getppid",
        "os.kill(os.getpid(), 9)",
        "subprocess.Popen(command, pass_fds=[3])",
        "process.terminate()",
        "subprocess.run(['ps', '-o', 'stat='])",
        "Path('/proc/self/stat')",
    ],
)
def test_such_a_call_is_seen(line):
    assert list(wrong_in(ast.parse(line)))


def test_every_text_file_is_opened_with_its_encoding():
    """Windows would take the code page of its language."""
    wrong = [
        f"{path.name}:{node.lineno}"
        for folder in (PACKAGE, SCRIPTS)
        for path in sorted(folder.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (place := {"read_text": 0, "write_text": 1}.get(node.func.attr)) is not None
        and len(node.args) <= place
        and "encoding" not in {word.arg for word in node.keywords}
    ]
    assert wrong == []


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without `XDG_CACHE_HOME`."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_the_cache_is_where_macos_keeps_caches(home, monkeypatch):
    monkeypatch.setattr(platformdirs, "PlatformDirs", MacOS)
    assert cache_dir() == home / "Library" / "Caches" / "ae-run"


def test_the_cache_is_where_windows_keeps_caches(home, monkeypatch):
    def local(folder: str) -> str:
        assert folder == "CSIDL_LOCAL_APPDATA"
        return str(home / "AppData" / "Local")

    monkeypatch.setattr("platformdirs.windows.get_win_folder", local)
    monkeypatch.setattr(platformdirs, "PlatformDirs", Windows)
    assert cache_dir() == home / "AppData" / "Local" / "ae-run" / "Cache"


@pytest.mark.parametrize("system", [MacOS, Windows])
def test_a_cache_that_exists_already_is_kept(home, monkeypatch, system):
    monkeypatch.setattr(platformdirs, "PlatformDirs", system)
    (home / ".cache" / "ae-run").mkdir(parents=True)
    assert cache_dir() == home / ".cache" / "ae-run"


def test_xdg_cache_home_comes_first(home, monkeypatch):
    (home / ".cache" / "ae-run").mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "elsewhere"))
    assert cache_dir() == home / "elsewhere" / "ae-run"


def test_a_file_that_another_program_holds_is_replaced_once_it_is_free(tmp_path, monkeypatch):
    path, waits = tmp_path / "history.csv", []
    path.write_bytes(b"old")
    replace = Path.replace

    def held(self: Path, target: Path) -> Path:
        if len(waits) < 3:
            raise PermissionError(13, "The process cannot access the file")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", held)
    monkeypatch.setattr(time, "sleep", waits.append)
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert waits == list(atomic._RETRY_SECONDS[:3])


def test_a_file_that_stays_held_is_an_error_and_keeps_its_content(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    path.write_bytes(b"old")

    def held(*_: object) -> Path:
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(Path, "replace", held)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(PermissionError):
        write_bytes(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["history.csv"]
    assert path.read_bytes() == b"old"


def test_on_windows_a_folder_is_writable_if_it_takes_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert _files.writable(tmp_path / "not" / "there" / "yet")
    assert list(tmp_path.iterdir()) == []

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(Path, "touch", refused)
    assert not _files.writable(tmp_path)


def test_the_quota_of_a_container_limits_the_cores(monkeypatch):
    from joblib.externals.loky.backend import context

    monkeypatch.setattr(context, "_cpu_count_cgroup", lambda _: 0.5)
    assert processes.usable_cores() == 1
    monkeypatch.setattr(context, "_cpu_count_cgroup", lambda count: count)
    monkeypatch.setattr(context, "_cpu_count_affinity", lambda _: 3)
    monkeypatch.setattr(context.os, "cpu_count", lambda: 8)
    assert processes.usable_cores() == 3


@pytest.mark.parametrize(("system", "expected"), [("linux", 5120), ("darwin", 5), ("win32", None)])
def test_peak_memory_is_in_bytes_or_not_known(monkeypatch, system, expected):
    counts = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: SimpleNamespace(ru_maxrss=5))
    monkeypatch.setitem(sys.modules, "resource", counts)
    monkeypatch.setattr(sys, "platform", system)
    assert processes.peak_memory() == expected
