"""`task=list`: every run in one line, whatever has become of it."""

from pathlib import Path

import pytest

from ae_run.comparison import runs
from ae_run.run_folder import RunFolder


def test_every_run_is_listed_once_with_status_score_and_reason(cli, make):
    make("conv", "outputs/digits-conv_ae/one")
    make("vae", "outputs/digits-vae/two")
    make("conv", "outputs/digits-conv_ae/three", status="failed", error="out of memory")
    broken = make("conv", "outputs/digits-conv_ae/four")
    (broken / "run.json").write_text("{")
    result = cli("task=list")
    assert result.code == 0, result.err
    by_folder = {Path(line.split()[-1]).name: line for line in result.out.splitlines() if line}
    assert by_folder["one"].startswith("finished")
    assert " mse 0." in by_folder["one"]
    assert " nelbo " in by_folder["two"]
    assert "  name: Bound & co; tags: small" in result.out
    assert by_folder["three"].startswith("failed")
    assert "after 2 of 2 epochs: out of memory" in result.out
    assert by_folder["four"].startswith("broken")
    assert "run.json: not readable as JSON" in result.out
    assert result.out.splitlines()[-1].startswith("4 runs, ")


def test_folders_and_globs_are_given_as_the_shell_leaves_them(cli, make):
    for name in ("a", "b", "deep/er/c"):
        make("conv", f"outputs/{name}")
    for words in (
        ["runs=outputs/**"],
        ["outputs/a", "outputs/b", "outputs/deep"],
        ["runs=outputs/a", "runs=outputs/b", "runs=outputs/deep/er/c"],
        ["runs=[outputs/a,outputs/b,outputs/*/er]"],
        ["runs=outputs/a,outputs/b,outputs/**/c,outputs/a/"],
        ["runs=outputs/*", f"{Path('outputs').resolve()}/a"],
    ):
        result = cli("task=list", *words)
        assert result.code == 0, result.err
        assert result.out.splitlines()[-1].startswith("3 runs, "), words


def test_trials_of_a_search_and_other_seeds_are_no_runs_of_their_own(cli, make):
    make("conv", "outputs/search/one/refit/3")
    make("conv", "outputs/search/one/trials/3")
    make("conv", "outputs/search/one/refit/3/replicas/1")
    assert "1 run, " in cli("task=list").out
    assert "1 run, " in cli("task=list", "runs=outputs/search/one/trials").out


@pytest.mark.parametrize("words", [["runs=nope"], ["runs=[]"], [], ["empty"], ["runs=outputs/*"]])
def test_where_there_is_no_run_one_line_says_so(words, cli):
    Path("empty").mkdir()
    result = cli("task=list", *words)
    assert result.code == 2
    assert result.err.startswith("ae-run: runs=")
    assert len(result.err.splitlines()) == 1


def test_a_run_is_running_only_while_a_process_has_it(make):
    path = make("conv", "run", status="running")
    assert runs.read(path).status == "interrupted"
    with RunFolder(path).lock():
        found = runs.read(path)
    assert found.status == "running"


def test_a_run_of_an_older_version_is_read(make):
    path = make("conv", "run")
    text = (path / "config.yaml").read_text(encoding="utf-8").splitlines(keepends=True)
    old = [line for line in text if not line.startswith(("name:", "tags:", "notes:", "runs:"))]
    (path / "config.yaml").write_text("".join(old), encoding="utf-8")
    found = runs.read(path)
    assert found.is_scored
    assert (found.name, found.tags) == ("run", [])


@pytest.mark.parametrize("text", ["", "[1]", "model: 3\n", "a: b: c", "data: {name: x}\n"])
def test_a_run_with_any_config_is_told_not_raised(text, make):
    path = make("conv", "run")
    (path / "config.yaml").write_text(text, encoding="utf-8")
    found = runs.read(path)
    assert found.status == "broken"
    assert "config.yaml" in found.reason
