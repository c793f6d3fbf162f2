"""The script from its command line to its pages, on built-in data."""

import json
import re
import shutil
import tarfile
from pathlib import Path

import committed
import pytest

from ae_run.reports import cli, spec
from ae_run.reports.maker import Maker
from ae_run.reports.pack import pack
from ae_run.reports.plan import Planner
from ae_run.reports.store import Store, is_finished

_TINY = """
title: Tiny
author: nobody
about: A report for tests.
runs:
  curve:
    args: >-
      data=digits data.limit=80 train.epochs=2 train.batch_size=32 evaluate=quick
    quick: {train.epochs: 1}
    seeds: true
    sweep: {key: model.latent_dim, values: [2, 3]}
rows:
  - id: mse
    label: MSE
    report: 0.05
    metric: mse
    as_report: curve
    within: 0.01
    note: A word on it.
    tried: [[one setting, 0.06], [another, 0.07]]
figures:
  - number: "1"
    caption: Loss against code size.
    draw: sweep
    runs: [curve]
    options: {title: T, metric: mse, x: d, y: MSE, labels: [all]}
  - number: "2"
    caption: Loss curves.
    draw: loss_curves
    runs: [curve]
"""


@pytest.fixture
def _tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(_TINY, encoding="utf-8")
    monkeypatch.setattr(spec, "folder", lambda: folder)


@pytest.mark.usefixtures("_tiny")
@pytest.mark.slow
def test_it_trains_what_is_missing_and_reuses_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--seeds", "2", "--jobs", "1", "--commit-reference"]
    assert cli.main(command) == 0
    assert "[4/4]" in capsys.readouterr().out
    made = Path("outputs/reports/tiny")
    assert (made / "figures/figure-1.png").is_file()
    (row,) = json.loads((made / "comparison.json").read_text(encoding="utf-8"))
    assert row["seeds"] == {"as_report": 4}
    assert row["budget"] == {"as_report": "quick"}
    assert row["tags"] == {"as_report": ["quick", "1/2 epochs", "4 seeds"]}
    assert row["beside"]["pca"] > 0
    assert row["status"] == "not yet at full"
    page = (made / "index.html").read_text(encoding="utf-8")
    summary, _, numbers = page.partition('<section id="numbers">')
    assert "of 1 rows with an aim" in summary
    table, _, notes = numbers.partition("</table>")
    assert "1/2 epochs" in table
    assert "A word on it." in notes
    assert "another" in notes
    pictures = re.findall(r'<a class="zoom" href="([^"]+)"', page)
    assert pictures
    assert all((made / picture).is_file() for picture in pictures)
    assert '<dialog id="zoom"' in page
    committed.check(Path("outputs/reference/tiny"))
    kept = {path.name for path in next(Path("outputs/reports/runs").iterdir()).iterdir()}
    assert "resume.pt" not in kept
    runs = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in Path("outputs/reports/runs").glob("*/run.json")
    ]
    assert sorted("pictures" in run["kept"] for run in runs) == [False, False, True, True]
    assert sorted("examples" in run["kept"] for run in runs) == [False, False, False, True]

    assert cli.main(command) == 0
    again = capsys.readouterr().out
    assert "[1/" not in again
    assert "nothing new" in again
    # A run that was lost is done again, and only that.
    shutil.rmtree(next(Path("outputs/reports/runs").iterdir()))
    assert cli.main(command) == 0
    assert "[1/1]" in capsys.readouterr().out


@pytest.mark.usefixtures("_tiny")
def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    from ae_run.reports.execute import execute

    report, store = spec.load("tiny"), Store(tmp_path / "store")
    planned = Planner().runs(report, "curve", "full", 1)[0]
    path = store.path(planned.digest)
    from ae_run.data import load
    from ae_run.run_folder import RunFolder
    from ae_run.training import fit
    from ae_run.training.run import start

    config = planned.config
    path.mkdir(parents=True)
    run = start(config, load(config.data), RunFolder(path, quiet=True), "digits-conv_ae", ())
    next(iter(fit(run)))
    assert not is_finished(path)
    assert execute(planned, path) is None
    assert is_finished(path)
    assert [row["epoch"] for row in store.read(planned.digest).history] == ["1", "2"]


@pytest.mark.usefixtures("_tiny")
def test_another_evaluation_of_the_same_weights_needs_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from ae_run.reports.execute import execute
    from ae_run.training import loop

    store = Store(tmp_path / "store")
    planned = Planner().runs(spec.load("tiny"), "curve", "full", 1)[0]
    assert execute(planned, store.path(planned.digest)) is None
    config = planned.config.changed({"evaluate.batch_size": 7})
    other = replace(planned, config=config, digest="other")
    monkeypatch.setattr(loop, "train_epoch", None)
    assert execute(other, store.path("other")) is None
    first, second = store.read(planned.digest), store.read("other")
    assert second.history == first.history
    assert second.run["best_epoch"] == first.run["best_epoch"]
    assert second.metrics["mse"] == pytest.approx(first.metrics["mse"], rel=1e-6)


@pytest.mark.usefixtures("_tiny")
def test_list_tells_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--list"]) == 0
    out = capsys.readouterr().out
    assert "Loss against code size." in out
    assert "missing" in out
    assert not Path("outputs").exists()


@pytest.mark.usefixtures("_tiny")
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--only", "tinny"], "tinny: no such report; did you mean 'tiny'?"),
        (["--figure", "9"], "--figure 9: there is none; choices: 1, 2"),
        (["--rows", "x"], "--rows x: there is none; choices: mse"),
        (["--budget", "huge"], "invalid choice: 'huge'"),
        (["--seeds", "0"], "invalid"),
    ],
)
def test_a_wrong_argument_is_one_line_and_code_2(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(args) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.usefixtures("_tiny")
def test_two_makers_do_not_collide(capsys: pytest.CaptureFixture[str]) -> None:
    from filelock import FileLock

    cli.ROOT.mkdir(parents=True)
    with FileLock(cli.ROOT / ".lock"):
        assert cli.main([]) == 2
    assert "another make_figures" in capsys.readouterr().err


@pytest.mark.usefixtures("_tiny")
def test_full_runs_are_taken_where_they_are_there(tmp_path: Path) -> None:
    from ae_run.reports.execute import execute

    report, maker = spec.load("tiny"), Maker(Store(tmp_path / "store"), "quick", 1)
    for planned in maker.planner.runs(report, "curve", "full", 1):
        assert execute(planned, maker.store.path(planned.digest)) is None
    assert maker.missing(report) == []
    assert maker.found(report)["curve"].budget == "full"


@pytest.mark.usefixtures("_tiny")
@pytest.mark.slow
def test_another_machine_goes_on_with_what_was_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--seeds", "1", "--jobs", "1"]) == 0
    report, maker = spec.load("tiny"), Maker(Store(cli.ROOT), "quick", 1)
    finished, unfinished = maker.planner.runs(report, "curve", "quick", 1)
    interrupted = maker.store.path(unfinished.digest)
    (interrupted / "metrics.json").unlink()
    (interrupted / "resume.pt").write_bytes(b"x" * 5000)
    assert cli.main(["--seeds", "1", "--pack", str(tmp_path / "state.tar")]) == 0
    assert "0.2 MiB" in capsys.readouterr().out

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with tarfile.open(tmp_path / "state.tar") as tar:
        tar.extractall(filter="data")
    there = Maker(Store(cli.ROOT), "quick", 1)
    assert [run.digest for run in there.missing(report)] == [unfinished.digest]
    assert (there.store.path(unfinished.digest) / "resume.pt").stat().st_size == 5000
    assert there.store.read(finished.digest).metrics["mse"] > 0


@pytest.mark.usefixtures("_tiny")
@pytest.mark.slow
def test_a_pack_leaves_out_what_has_no_room(tmp_path: Path) -> None:
    assert cli.main(["--seeds", "1", "--jobs", "1"]) == 0
    report, maker = spec.load("tiny"), Maker(Store(cli.ROOT), "quick", 1)
    runs = maker.planner.runs(report, "curve", "quick", 1)
    biggest = maker.store.path(runs[0].digest)
    (biggest / "history.csv").write_bytes(b"x" * 200_000)
    target = tmp_path / "state.tar"
    assert pack(maker, [report], target, 150_000) == [biggest]
    assert 0 < target.stat().st_size <= 150_000
    with tarfile.open(target) as tar:
        assert {Path(name).parent.name for name in tar.getnames()} == {runs[1].digest}


@pytest.mark.usefixtures("_tiny")
def test_a_pack_that_cannot_be_written_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--pack", "no/such/folder/state.tar"]) == 2
    assert "no/such/folder/state.tar: cannot be written" in capsys.readouterr().err


_CHAIN = """
title: Chain
author: nobody
about: A report for tests.
shared:
  small: {args: data=digits data.limit=80 train.epochs=2 train.schedule=constant evaluate=quick}
runs:
  first: {shared: [small]}
  second: {shared: [small], args: train.lr=1e-12, init_from: first}
rows:
  - {id: mse, label: MSE, report: 0.05, metric: mse, as_report: first, ours: second}
figures: []
"""


@pytest.mark.slow
def test_a_run_takes_its_weights_from_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chain.yaml").write_text(_CHAIN, encoding="utf-8")
    monkeypatch.setattr(spec, "folder", lambda: tmp_path)
    assert cli.main(["--jobs", "2", "--budget", "full"]) == 0, capsys.readouterr().err
    (row,) = json.loads(Path("outputs/reports/chain/comparison.json").read_text(encoding="utf-8"))
    # At a learning rate of nearly 0 the second stays what the first became.
    assert row["ours"] == pytest.approx(row["as_report"], rel=1e-4)
    assert not list(Path("outputs/reports/runs").glob("*/model.safetensors"))
    # The second was lost: the first, whose weights were no longer needed, is done again too.
    shutil.rmtree(Path("outputs/reports/runs") / row["run_digest"]["ours"][0])
    capsys.readouterr()
    assert cli.main(["--jobs", "1", "--budget", "full"]) == 0
    assert "[2/2]" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_is_not_started_when_the_one_before_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = _CHAIN.replace(
        "first: {shared: [small]}", "first: {shared: [small], args: train.lr=1e9}"
    )
    (tmp_path / "chain.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(spec, "folder", lambda: tmp_path)
    assert cli.main(["--jobs", "1", "--budget", "full"]) == 1
    errors = capsys.readouterr().err
    assert "chain/first" in errors
    assert "the run that it starts from failed" in errors
