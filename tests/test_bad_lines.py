"""Command lines and folders that nobody means: one line, exit code 2, nothing lost."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import FAST


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["=1"], "there is no key before the '='"),
        (["hydra=null"], "cannot be composed: ValueError: Config group override"),
        (["x" * 10_000 + "=1"], "no such key"),
        (["train.precision=" + "x" * 10_000], f"train.precision={'x' * 200}…: must be 'auto'"),
        (["train.lr=" + "1" * 10_000], "cannot be composed: ValueError: Exceeds the limit"),
        (["run_dir=~nosuchuser/x", *FAST], "~nosuchuser/x: no such user, or no home folder"),
        (["resume=~nosuchuser/x"], "~nosuchuser/x: no such user"),
        (["--config-dir", "~nosuchuser/x"], "~nosuchuser/x: no such user"),
        (["data=npz", "data.path=~nosuchuser/x"], "~nosuchuser/x: no such user"),
        (["data=mnist", "data.root=~nosuchuser/x"], "~nosuchuser/x: no such user"),
        (["task=search", "search.storage=~nosuchuser/x"], "~nosuchuser/x: no such user"),
    ],
)
def test_what_nobody_means_gets_its_line(cli, args, told):
    result = cli(*args)
    assert result.code == 2
    assert told in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("kind", ["link", "folder", "latin", "deep"])
def test_a_config_file_that_cannot_be_read_is_named(cli, kind):
    path = Path("own/model/x.yaml")
    path.parent.mkdir(parents=True)
    match kind:
        case "link":
            path.symlink_to("nowhere")
        case "folder":
            path.mkdir()
        case "latin":
            path.write_bytes(b"# gr\xfc\xdfe\nname: conv_ae\n")
        case "deep":
            path.write_text("a: " + "[" * 3000 + "]" * 3000)
    result = cli("--config-dir", "own", "model=x")
    assert result.code == 2
    assert ("cannot be composed" if kind == "deep" else f"{path}: not readable") in result.err
    assert result.err.count("\n") == 1


def test_outputs_that_is_a_file_is_named(cli):
    Path("outputs").write_text("mine")
    for args in (["-m", "seed=0,1", *FAST], FAST):
        result = cli(*args)
        assert result.code == 2
        assert "outputs/" in result.err
        assert "Not a directory" in result.err
        assert result.err.count("\n") == 1


def test_a_user_without_a_home_folder_needs_none(cli, monkeypatch):
    def unknown(number: int) -> None:
        raise KeyError(f"uid not found: {number}")

    for variable in ("HOME", "XDG_CACHE_HOME", "AE_RUN_DATA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    np.savez("mine.npz", images=np.random.RandomState(0).randint(0, 256, (90, 8, 8), np.uint8))
    result = cli("data=npz", "data.path=mine.npz", "data.labels_key=null", *FAST)
    assert result.code == 0, result.err
    assert "cannot be written" in result.err
    assert "unless XDG_CACHE_HOME names another folder" in result.err
    result = cli("data=mnist", "data.download=false")
    assert result.code == 2
    assert "set data.download=true" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "code"),
    [(FAST, 2), (["-m", "seed=0,1", *FAST], 2), (["task=search", *FAST], 2), (["task=check"], 0)],
)
def test_a_current_folder_that_is_read_only_is_told(args, code):
    command = [sys.executable, "-m", "ae_run", *args]
    if os.geteuid() == 0:  # who may write anywhere
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv, or a user other than root")
        command = ["setpriv", "--bounding-set", "-dac_override", *command]
    folder = Path("mine")
    folder.mkdir(mode=0o555)
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == code
    told = ended.stderr if code else ended.stdout
    assert re.search(r"outputs.*: Permission denied", told)
    assert code == 0 or ended.stderr.count("\n") == 1
    assert not list(folder.iterdir())


def _piped(line: str, reader: str) -> tuple[int, str]:
    """The exit code and what is said on stderr of `ae-run LINE | READER`."""
    program = f"'{sys.executable}' -m ae_run {line}; echo $? >code"
    command = ["sh", "-c", f"({program}) | {reader}"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(Path("code").read_text()), ended.stderr


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_a_command_plainly():
    for line in ("--help", "--cfg job"):
        assert _piped(line, "true") == (141, "")
    code, said = _piped("task=check data.limit=60", "true")
    assert (code, said) == (141, "ae-run: standard output was closed\n")


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_stops_a_training_and_a_search_which_resume():
    line = " ".join(FAST)
    code, said = _piped(f"{line} run_dir=run", "head -2")
    assert code == 141
    assert said.startswith("ae-run: standard output was closed; ")
    assert said.count("\n") == 1
    assert json.loads(Path("run/run.json").read_text())["status"] == "interrupted"
    assert _piped("resume=run", "cat >/dev/null") == (0, "")
    line += " task=search search.n_trials=3 search.workers=1 search.refit=none"
    code, said = _piped(line, "head -2")
    assert (code, said) == (
        141,
        "ae-run: standard output was closed; the same command resumes it\n",
    )
    assert _piped(line, "cat >/dev/null") == (0, "")


@pytest.mark.slow
def test_a_folder_that_was_deleted_and_closed_streams_are_survived():
    program = f"'{sys.executable}' -m ae_run"

    def shell(line: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", line]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    gone = shell(f"mkdir x; cd x; rmdir ../x; {program} data.limit=60")
    assert gone.returncode == 2
    assert gone.stderr.count("\n") == 1
    assert "Traceback" not in gone.stderr
    assert shell(f"{program} task=check data.limit=60 >&-").returncode == 0
    assert shell(f"{program} model=nope 2>&-").returncode == 2


@pytest.mark.parametrize(
    "line",
    [
        *(
            "model.latent_dim=1000000000000",
            "train.batch_size=1" + "0" * 30,
            "train.threads=100000",
        ),
        *("evaluate.latent.grid_size=100000", "evaluate.latent.samples=1000000000"),
        *("evaluate.latent.path_steps=100000000", "evaluate.convergence.starts=10000000"),
        "evaluate.probe.l2=[1e300]",
    ],
)
def test_a_number_beyond_any_machine_is_refused(cli, line):
    result = cli(line, "data.limit=60")
    assert result.code == 2
    assert line.partition("=")[0] in result.err
    assert "must be less than or equal to" in result.err


def test_a_search_range_beyond_arithmetic_is_refused(cli):
    for ends in ("1e-320,1", "1,1e300"):
        result = cli("task=search", f"search.space=[train.lr=log({ends})]")
        assert result.code == 2
        assert "search.space: train.lr: " in result.err


def test_a_model_beyond_this_machines_memory_says_what_it_would_need(cli):
    result = cli("model.widths=[2000000000]", "data.limit=60")
    assert result.code == 1
    assert re.search(r"not enough memory \([\d,.]+ GB asked for at once, [\d.,]+ GB in", result.err)
    assert result.err.count("\n") == 1
