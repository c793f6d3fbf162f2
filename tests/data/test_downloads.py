"""A download is whole and right, or it is missing and the message says what to do."""

import gzip
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
from data_helpers import dead_address, make_config, read_only, serving

from ae_run.data import _download, cache_dir
from ae_run.errors import UserError

CONTENT = bytes(range(256)) * 1000
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".file.gz.lock"}


def test_a_good_file_arrives(tmp_path, capsys):
    path = tmp_path / "new" / "file.gz"
    with serving({"/file.gz": CONTENT}) as server:
        got = _download.fetch(path, [f"{server.url}/file.gz"], known_hash=MD5, size=len(CONTENT))
    assert got == path
    assert path.read_bytes() == CONTENT
    assert leftovers(path.parent) == {"file.gz"}
    assert capsys.readouterr() == ("", f"downloading {server.url}/file.gz\n")


def test_a_file_is_readable_by_whom_the_umask_says(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with serving({"/f": CONTENT}) as server:
        path = _download.fetch(tmp_path / "file.gz", [f"{server.url}/f"])
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_that_the_server_declares_gzip_encoded_is_kept_packed(tmp_path):
    packed = gzip.compress(CONTENT, mtime=0)
    with serving({"/f": packed}, headers={"Content-Encoding": "x-gzip"}) as server:
        path = _download.fetch(tmp_path / "file.gz", [f"{server.url}/f"], size=len(packed))
    assert path.read_bytes() == packed


def test_an_existing_file_is_not_downloaded(tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(b"mine")
    with serving({"/file.gz": CONTENT}) as server:
        _download.fetch(path, [f"{server.url}/file.gz"], known_hash=MD5)
        assert server.asked == []
    assert path.read_bytes() == b"mine"


def test_mirrors_are_tried_in_turn(tmp_path):
    path = tmp_path / "file.gz"
    with serving({"/wrong/f": b"x", "/c/f": CONTENT}) as server:
        addresses = [f"{server.url}/{folder}/f" for folder in ("missing", "wrong", "c", "d")]
        _download.fetch(path, [f"{dead_address()}/f", *addresses], known_hash=MD5)
        assert server.asked == ["/missing/f", "/wrong/f", "/c/f"]
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("served", "options", "reason"),
    [
        ({}, {}, "HTTP 404"),
        (
            {"/f": CONTENT[:-1]},
            {"known_hash": MD5},
            f"MD5 hash .* expected {MD5} but got [0-9a-f]{{32}}\\)",
        ),
        ({"/f": CONTENT[:-1]}, {"size": len(CONTENT)}, "255,999 bytes instead of 256,000"),
        ({"/f": CONTENT + b"!"}, {"size": len(CONTENT)}, "longer than 256,000 bytes"),
    ],
)
def test_what_is_not_the_file_is_refused(tmp_path, served, options, reason):
    path = tmp_path / "file.gz"
    with serving(served) as server, pytest.raises(UserError, match=reason) as caught:
        _download.fetch(path, [f"{server.url}/f", f"{server.url}/g"], **options)
    message = str(caught.value)
    assert all(text in message for text in ("file.gz:", "/f (", "/g (", f"manually to {path}"))
    assert leftovers(tmp_path) == set()


def test_a_broken_connection_is_noticed_without_a_digest(tmp_path):
    path = tmp_path / "file.gz"
    with (
        serving({"/f": CONTENT}, announce=1) as server,
        pytest.raises(UserError, match=r"IncompleteRead\(256000 bytes read, 1 more expected\)"),
    ):
        _download.fetch(path, [f"{server.url}/f"])
    assert leftovers(tmp_path) == set()


def test_offline_the_message_names_file_addresses_and_place(tmp_path):
    path, address = tmp_path / "file.gz", dead_address()
    with pytest.raises(UserError) as caught:
        _download.fetch(path, [f"{address}/a/file.gz", f"{address}/b/file.gz"])
    message = str(caught.value)
    assert "\n" not in message
    assert "Connection refused" in message
    assert all(text in message for text in ("/a/file.gz", "/b/file.gz", f"manually to {path}"))


def test_without_permission_nothing_is_requested(tmp_path):
    path = tmp_path / "new" / "file.gz"
    with serving({"/f": CONTENT}) as server:
        with pytest.raises(UserError, match=r"download=false; .*manually from .*/f to /"):
            _download.fetch(path, [f"{server.url}/f"], download=False)
        assert server.asked == []
    assert not path.parent.exists()


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "_WINDOW", 0.2)
    path = tmp_path / "file.gz"
    with (
        serving({"/slow": CONTENT}, pause=0.01) as slow,
        serving({"/f": CONTENT}) as server,
    ):
        _download.fetch(path, [f"{slow.url}/slow", f"{server.url}/f"], known_hash=MD5)
        assert (slow.asked, server.asked) == (["/slow"], ["/f"])
    assert leftovers(tmp_path) == {"file.gz"}


def test_a_server_that_sends_a_byte_of_its_headers_now_and_then_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(_download, "_WINDOW", 0.5)
    path = tmp_path / "file.gz"
    with serving({"/slow": CONTENT}, head_pause=0.01) as slow, serving({"/f": CONTENT}) as server:
        _download.fetch(path, [f"{slow.url}/slow", f"{server.url}/f"], known_hash=MD5)
        with pytest.raises(UserError, match=r"slow \(no answer within 0.5 s\)"):
            _download.fetch(tmp_path / "other.gz", [f"{slow.url}/slow"])
    assert leftovers(tmp_path) == {"file.gz", ".other.gz.lock"}


def test_what_a_killed_download_left_is_gone_after_the_next(tmp_path):
    path = tmp_path / "file.gz"
    code = (
        "import sys, pathlib; from ae_run.data import _download; "
        "_download.fetch(pathlib.Path(sys.argv[1]), [sys.argv[2]], size=256000)"
    )
    with serving({"/f": CONTENT}, pause=0.01) as server:
        killed = subprocess.Popen([sys.executable, "-c", code, str(path), f"{server.url}/f"])
        while not leftovers(tmp_path):
            assert killed.poll() is None
            time.sleep(0.01)
        killed.kill()
        killed.wait()
    assert leftovers(tmp_path)
    with serving({"/f": CONTENT}) as server:
        _download.fetch(path, [f"{server.url}/f"], known_hash=MD5)
    assert path.read_bytes() == CONTENT
    assert leftovers(tmp_path) == {"file.gz"}


NO_ADDRESSES = (
    *("file:///etc/hostname", "ftp://127.0.0.1/f", "no-address", "http://", "http://[::1"),
    *("http://h:port/f", "http://[x]/f"),
)


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_only_web_addresses_are_opened(tmp_path, address):
    with pytest.raises(UserError, match=r"data\.mirrors=.*must start with http"):
        _download.fetch(tmp_path / "file.gz", [address])


@pytest.mark.parametrize("to", ["file:///etc/hostname", "ftp://127.0.0.1/f"])
def test_redirects_stay_on_the_web(tmp_path, to):
    with (
        serving({}, redirects={"/f": to}) as server,
        pytest.raises(UserError, match=f"No connection adapters were found for '{to}'"),
    ):
        _download.fetch(tmp_path / "file.gz", [f"{server.url}/f"])
    assert leftovers(tmp_path) == set()


def test_a_redirect_on_the_web_is_followed(tmp_path):
    with serving({"/file.gz": CONTENT}, redirects={"/f": "/file.gz"}) as server:
        _download.fetch(tmp_path / "file.gz", [f"{server.url}/f"], known_hash=MD5)
    assert (tmp_path / "file.gz").read_bytes() == CONTENT


@pytest.mark.slow
def test_many_processes_download_once(tmp_path):
    code = (
        "import sys, pathlib; from ae_run.data import _download; "
        "_download.fetch(pathlib.Path(sys.argv[1]), [sys.argv[2]], known_hash=sys.argv[3])"
    )
    path = tmp_path / "file.gz"
    with serving({"/f": CONTENT}, delay=1.5) as server:
        command = [sys.executable, "-c", code, str(path), f"{server.url}/f", MD5]
        started = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(5)]
        errors = [process.communicate()[1].decode() for process in started]
        assert [process.returncode for process in started] == [0] * 5, errors
        assert server.asked == ["/f"]
    assert path.read_bytes() == CONTENT


def test_mirrors_of_the_config_replace_the_published_ones(tmp_path):
    with serving({"/lab/one.gz": CONTENT, "/lab/two.gz": CONTENT}) as server:
        config = make_config("mnist", root=str(tmp_path), mirrors=[f"{server.url}/lab/"])
        names = {"one.gz": MD5, "two.gz": MD5}
        paths = _download.obtain_set("SET", names, config, ["http://published.invalid/"])
    assert paths == [tmp_path / "SET" / "one.gz", tmp_path / "SET" / "two.gz"]


def test_of_a_set_all_files_that_may_be_missing_are_named(tmp_path):
    config = make_config("mnist", root=str(tmp_path), download=False)
    names = {"one.gz": MD5, "two.gz": MD5, "three.gz": MD5}
    (tmp_path / "SET").mkdir()
    (tmp_path / "SET" / "one.gz").write_bytes(CONTENT)
    with pytest.raises(UserError, match=r"^two\.gz: .*\. Also needed if missing: three\.gz$"):
        _download.obtain_set("SET", names, config, ["http://published.invalid/"])


def test_into_a_read_only_root_nothing_is_written(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    with serving({"/one.gz": CONTENT}) as server, read_only(root):
        config = make_config("mnist", root=str(root), mirrors=[server.url])
        paths = _download.obtain_set("SET", {"one.gz": MD5}, config, [])
        again = _download.obtain_set("SET", {"one.gz": MD5}, config, [])
        assert server.asked == ["/one.gz"]
    assert paths == again == [cache_dir() / "SET" / "one.gz"]


def test_a_folder_that_cannot_be_created_is_a_clear_error(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(UserError, match=r"its folder cannot be created .*set data\.root"):
        _download.fetch(tmp_path / "plain" / "x" / "file.gz", ["http://published.invalid/f"])
