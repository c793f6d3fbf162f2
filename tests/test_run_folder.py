"""The run folder: what is written is whole, and nothing is written over."""

import errno
from pathlib import Path

import numpy as np
import pytest

from ae_run import atomic
from ae_run.atomic import write_bytes
from ae_run.errors import UserError
from ae_run.run_folder import RunFolder


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_folders_are_never_shared():
    folders = {RunFolder.create(None, "digits-conv_ae").path for _ in range(50)}
    assert len(folders) == 50
    assert all(path.parent == Path("outputs/digits-conv_ae") for path in folders)


def test_an_existing_run_dir_is_refused(tmp_path):
    RunFolder.create(str(tmp_path / "run"), "x")
    with pytest.raises(UserError, match="already exists"):
        RunFolder.create(str(tmp_path / "run"), "x")


def test_a_run_dir_has_its_name_only_once_its_config_is_in_it(tmp_path, monkeypatch):
    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_yaml", fails)
        with pytest.raises(UserError, match="cannot be created: No space left"):
            RunFolder.create(str(tmp_path / "run"), "x", None, {"seed": 0})
    assert list(tmp_path.iterdir()) == []
    folder = RunFolder.create(str(tmp_path / "run"), "x", None, {"seed": 0})
    assert folder.read_yaml("config.yaml") == {"seed": 0}
    with pytest.raises(UserError, match="already exists"):
        RunFolder.create(str(tmp_path / "run"), "x", None, {"seed": 1})


def test_a_run_dir_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be created"):
        RunFolder.create(str(tmp_path / "file" / "run"), "x")


def test_one_writer_at_a_time(tmp_path):
    with (
        RunFolder(tmp_path).lock(),
        pytest.raises(UserError, match="another process"),
        RunFolder(tmp_path).lock(),
    ):
        pass


def test_arrays_round_trip_and_objects_are_refused(tmp_path):
    folder = RunFolder(tmp_path)
    arrays = {"a": np.arange(6).reshape(2, 3), "names": np.array(["x", "yy"])}
    folder.write_arrays("a.npz", arrays)
    back = folder.read_arrays("a.npz")
    assert back.keys() == arrays.keys()
    assert all(np.array_equal(back[key], arrays[key]) for key in arrays)
    with pytest.raises(TypeError, match="object"):
        folder.write_arrays("b.npz", {"o": np.array([{}])})


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04torn", b"\x93NUMPY"])
def test_torn_files_get_one_clear_error(tmp_path, content):
    folder = RunFolder(tmp_path)
    for name, read in (
        ("a.npz", folder.read_arrays),
        ("a.json", folder.read_json),
        ("a.yaml", folder.read_yaml),
    ):
        folder.file(name).write_bytes(content)
        with pytest.raises(UserError, match=name):
            read(name)


def test_a_saved_config_is_never_resolved(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "hunter2")
    folder = RunFolder(tmp_path)
    folder.file("config.yaml").write_text("a: ${oc.env:SECRET}\n")
    assert folder.read_yaml("config.yaml") == {"a": "${oc.env:SECRET}"}


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        RunFolder(tmp_path).write_json("a.json", {"x": float("nan")})


def test_csv_keeps_columns_that_come_late(tmp_path):
    folder = RunFolder(tmp_path)
    folder.write_csv("h.csv", [{"epoch": 1}, {"epoch": 2, "kl": 0.5}])
    assert folder.read_csv("h.csv") == [{"epoch": "1", "kl": ""}, {"epoch": "2", "kl": "0.5"}]
