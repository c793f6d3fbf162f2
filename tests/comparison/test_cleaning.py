"""`task=clean`: what it would delete is shown, and only that is deleted, after a yes."""

from pathlib import Path

import pytest

from ae_run.run_folder import RunFolder


@pytest.fixture
def some(make):
    """A finished run, others with and without an epoch, a running and a broken one."""
    for name in ("lost", "running"):
        path = make("conv", f"outputs/{name}", status="running")
        for file in ("metrics.json", "resume.pt", "history.csv"):
            (path / file).unlink()
    make("conv", "outputs/finished")
    (make("conv", "outputs/resumable", status="failed") / "metrics.json").unlink()
    trained = make("conv", "outputs/trained", status="failed")
    for file in ("metrics.json", "resume.pt"):
        (trained / file).unlink()
    (make("conv", "outputs/broken") / "config.yaml").write_text("a: [")
    with RunFolder(Path("outputs/running")).lock():
        yield


def names() -> set[str]:
    return {path.name for path in Path("outputs").iterdir()}


@pytest.mark.usefixtures("some")
def test_without_a_terminal_or_yes_it_shows_and_deletes_nothing(cli):
    before = {path: path.stat().st_mtime_ns for path in Path("outputs").rglob("*.*")}
    result = cli("task=clean")
    assert result.code == 2
    assert "outputs/lost  (interrupted killed after 0 of 2 epochs)" in result.out
    assert "outputs/finished/resume.pt  (finished; only for more epochs)" in result.out
    assert "kept: failed, can be resumed: ae-run resume=outputs/resumable" in result.out
    assert "kept: running: outputs/running" in result.out
    assert "kept: not readable: outputs/broken/config.yaml" in result.out
    assert result.err.strip().endswith("to delete: ae-run task=clean --yes")
    assert before.items() <= {p: p.stat().st_mtime_ns for p in Path("outputs").rglob("*.*")}.items()


@pytest.mark.usefixtures("some")
def test_yes_deletes_what_was_shown_and_nothing_else(cli):
    result = cli("task=clean", "--yes")
    assert result.code == 0, result.err
    assert names() == {"finished", "resumable", "trained", "running", "broken"}
    assert not Path("outputs/finished/resume.pt").exists()
    assert Path("outputs/finished/model.safetensors").exists()
    assert Path("outputs/resumable/resume.pt").exists()
    assert "nothing to delete" in cli("task=clean").out


@pytest.mark.usefixtures("some")
def test_only_the_runs_that_are_given_are_touched(cli):
    assert cli("task=clean", "outputs/finished", "--yes").code == 0
    assert "lost" in names()
    assert not Path("outputs/finished/resume.pt").exists()


@pytest.mark.parametrize(("answer", "gone"), [("n", False), ("", False), ("y", True)])
def test_on_a_terminal_it_asks(answer, gone, cli, make, monkeypatch):
    make("conv", "outputs/one")
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or answer)
    assert cli("task=clean").code == 0
    assert asked[0].startswith("delete 1 resume.pt of finished runs, ")
    assert Path("outputs/one/resume.pt").exists() is not gone


def test_a_linked_folder_outside_is_left(cli, make, tmp_path):
    outside = make("conv", str(tmp_path / "elsewhere"))
    Path("outputs").mkdir()
    Path("outputs/link").symlink_to(outside)
    assert cli("task=clean", "--yes").code == 2
    assert (outside / "resume.pt").exists()


def test_a_cleaned_run_is_not_trained_again_from_the_start(cli, make):
    path = make("conv", "outputs/one")
    assert cli("task=clean", "--yes").code == 0
    weights = (path / "model.safetensors").read_bytes()
    assert cli(f"resume={path}").code == 0
    assert (path / "model.safetensors").read_bytes() == weights
    refused = cli(f"resume={path}", "train.epochs=3")
    assert refused.code == 2
