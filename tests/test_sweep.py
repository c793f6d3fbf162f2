"""A sweep: where its runs lie, what they are called, and the table at its end."""

import csv
from pathlib import Path

import pytest
from command_line import FAST, run_process

from ae_run.errors import Interrupted

LINE = ("-m", *FAST, "train.epochs=1")


WRITTEN = {"sweep.csv", "compare.csv", "compare.html"}
"""What a sweep writes beside its runs."""


def tables() -> list[Path]:
    return list(Path("outputs").glob("sweep/*/sweep.csv"))


@pytest.mark.slow
def test_runs_lie_in_one_folder_named_by_their_values_and_a_table_ends_the_sweep(cli):
    result = cli(*LINE, "model.latent_dim=2,0,8", "seed=1,2")
    assert result.code == 2
    [table] = tables()
    assert {path.name for path in table.parent.iterdir()} == WRITTEN | {
        "0_latent_dim-2_seed-1",
        "1_latent_dim-2_seed-2",
        "4_latent_dim-8_seed-1",
        "5_latent_dim-8_seed-2",
    }
    assert [path.name for path in Path("outputs").iterdir()] == ["sweep"]
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["job", "model.latent_dim", "seed", "mse"]
    assert len(rows) == 6
    scored, failed = rows[:4], rows[4:]
    scores = [float(row["mse"]) for row in scored]
    assert scores == sorted(scores)
    for row in scored:
        assert f"latent_dim-{row['model.latent_dim']}_seed-{row['seed']}" in row["folder"]
        assert Path(row["folder"], "report.html").is_file()
        assert row["error"] == ""
    for row in failed:
        assert row["mse"] == row["folder"] == ""
        assert "model.latent_dim=0: must be greater than or equal to 1" in row["error"]
    end = result.out[
        result.out.index("sweep: 6 jobs: 4 finished, 2 failed; sorted by mse") :
    ].splitlines()
    assert end[1].split() == ["job", "latent_dim", "seed", "mse", "pca_mse"]
    assert [line.split()[0] for line in end[2:6]] == [f"[{row['job']}]" for row in scored]
    assert end[7].startswith("failed  [2] model.latent_dim=0 seed=1: model.latent_dim=0: must be")
    assert end[-2:] == [f"table   {table}", f"page    {table.with_name('compare.html')}"]
    assert cli("task=report", f"run={scored[0]['folder']}").code == 0


def test_the_score_is_that_of_the_input_trained_for(cli):
    line = ("-m", *FAST, "model=denoising", "data.limit=80,90")
    assert cli(*line).code == 0
    with tables()[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"mse", "clean_mse", "pca_mse"} <= set(rows[0])
    for row in rows:
        metrics = Path(row["folder"], "metrics.json").read_text()
        assert f'"mse": {row["mse"]}' in metrics[metrics.index('"output"') :]
        assert f'"mse": {row["clean_mse"]}' in metrics[: metrics.index('"baseline"')]


@pytest.mark.slow
def test_runs_can_be_evaluated_again_as_a_sweep(cli):
    folders = [cli(*FAST, "train.epochs=1", f"run_dir={name}").folder for name in "ab"]
    result = cli("-m", "task=evaluate", f"run={folders[0]},{folders[1]}")
    assert result.code == 0, result.err
    with tables()[0].open(newline="") as file:
        assert {row["run"] for row in csv.DictReader(file)} == {"a", "b"}
    assert {path.name for path in tables()[0].parent.iterdir()} == WRITTEN


@pytest.mark.parametrize("line", ["train.lr=1,[", "model=nope,vae", "foo=1,2", "seed=0,1 foo=1"])
def test_a_sweep_that_cannot_begin_leaves_nothing(line, cli):
    assert cli("-m", *line.split()).code == 2
    assert not Path("outputs").exists()


def test_a_stopped_sweep_ends_with_the_table_of_what_there_is(cli, monkeypatch):
    def stop(*_: object) -> None:
        raise Interrupted("stopped before epoch 1", 2)

    monkeypatch.setattr("ae_run.tasks.train", stop)
    Path("my conf/train").mkdir(parents=True)
    result = cli("-m", "--config-dir", "my conf", "train.epochs=3", "seed=0,1")
    assert result.code == 130
    assert "sweep: 2 jobs: 1 stopped, 1 not run\n\nstopped [0] seed=0: stopped before" in result.out
    assert "\nnot run [1] ae-run --config-dir 'my conf' train.epochs=3 seed=1\n" in result.out


def test_values_of_any_kind_become_a_folders_name(cli, monkeypatch):
    seen = []
    monkeypatch.setattr("ae_run.tasks.train", lambda job: seen.append(job.config.run_dir))
    cli(
        *("-m", "train.epochs=1,2", "evaluate.probe.mlp.epochs=3", "hydra.sweep.dir=mine"),
        *("figures.format=[png],[png,pdf]", "model=vae,conv_ae"),
    )
    assert [Path(name).name for name in seen][:3] == [
        "0_epochs-1_format-png_model-vae",
        "1_epochs-1_format-png_model-conv_ae",
        "2_epochs-1_format-png-pdf_model-vae",
    ]
    seen.clear()
    cli("-m", "train.epochs=1,2", "evaluate.probe.mlp.epochs=3,4")
    assert Path(seen[0]).name == "0_train.epochs-1_evaluate.probe.mlp.epochs-3"


@pytest.mark.slow
def test_a_job_that_is_started_again_gets_another_folder(cli):
    line = (*LINE, "hydra.sweep.dir='my sweep'", "seed=1,2")
    assert cli(*line).code == 0
    result = cli(*line)
    assert result.code == 0, result.err
    names = {"0_seed-1", "0_seed-1_2", "1_seed-2", "1_seed-2_2"}
    assert {path.name for path in Path("my sweep").iterdir()} == WRITTEN | names
    assert "sweep: 2 jobs: 2 finished" in result.out


@pytest.mark.slow
def test_jobs_of_a_launcher_write_one_table():
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    done = run_process(["-m", "ae_run", *LINE, "seed=0,1", "hydra/launcher=submitit_local"])
    assert done.returncode == 0, done.stderr
    assert "sweep: 2 jobs: 2 finished" in done.stdout
    names = {path.name for path in tables()[0].parent.iterdir()}
    assert names == WRITTEN | {"0_seed-0", "1_seed-1", ".submitit"}


def test_a_sweep_ends_with_a_page_that_compares_its_runs(cli):
    result = cli(*LINE, "model.latent_dim=2,8")
    assert result.code == 0, result.err
    page = Path(result.out.splitlines()[-1].removeprefix("page    "))
    assert page.parent.parent == Path("outputs/sweep")
    html = page.read_text(encoding="utf-8")
    assert 'href="0_latent_dim-2/report.html"' in html
    assert "model<wbr>.latent_dim" in html
