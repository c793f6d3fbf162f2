"""The way through the program: what a run leaves, and what repeats from its folder alone."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from command_line import FAST, run_process

FILES = {
    "config.yaml",
    "overrides.txt",
    "run.json",
    "history.csv",
    "model.safetensors",
    "resume.pt",
    "metrics.json",
    "artifacts.npz",
    "report.html",
    "log.txt",
}


def read(folder: Path, name: str) -> dict:
    return json.loads((folder / name).read_text())


@pytest.fixture
def run(cli) -> Path:
    """A finished run."""
    result = cli(*FAST)
    assert result.code == 0, result.err
    return result.folder


def test_a_run_leaves_every_file_and_says_where(cli):
    result = cli(*FAST, "seed=3")
    folder = result.folder
    assert {path.name for path in folder.iterdir() if path.is_file()} - {".lock"} == FILES
    assert any((folder / "figures").glob("*.png"))
    for word in ("PCA-10", "mean image", "MSE", str(folder / "report.html")):
        assert word in result.out
    facts = read(folder, "run.json")
    assert facts["status"] == "finished"
    assert facts["command"] == "ae-run " + " ".join([*FAST, "seed=3"])
    assert facts["data"]["train"] + facts["data"]["validation"] == 80
    assert set(facts["phases"]) == {"data", "prepare", "train", "evaluate", "figures", "report"}
    assert facts["versions"]["torch"]
    assert (folder / "overrides.txt").read_text().split() == [*FAST, "seed=3"]


def test_speed_can_be_checked_from_the_history(run):
    rows = (run / "history.csv").read_text().splitlines()
    seconds = float(dict(zip(rows[0].split(","), rows[2].split(","), strict=True))["train_seconds"])
    facts = read(run, "run.json")
    assert facts["train_images_per_second"] == pytest.approx(
        facts["data"]["train"] / seconds, rel=1e-3
    )


def test_metrics_tell_scores_baselines_and_counts(run):
    metrics = read(run, "metrics.json")
    assert metrics["n"] == read(run, "run.json")["data"]["test"]
    assert metrics["psnr_db"] > 0
    assert -1 <= metrics["ssim"] <= 1
    assert 0 < metrics["baseline"]["pca"]["mse"] < metrics["baseline"]["mean"]["mse"]


def test_evaluation_repeats_from_the_folder_alone(run, cli, tmp_path):
    before = (run / "metrics.json").read_text()
    copy = tmp_path / "elsewhere"
    shutil.move(run, copy)
    (copy / "metrics.json").unlink()
    (copy / "artifacts.npz").unlink()
    result = cli("task=evaluate", f"run={copy}")
    assert result.code == 0, result.err
    assert (copy / "metrics.json").read_text() == before
    assert (copy / "artifacts.npz").exists()


def test_an_evaluation_option_is_applied_and_kept(run, cli):
    assert cli("task=evaluate", f"run={run}", "evaluate.grid=3").code == 0
    assert "grid: 3" in (run / "config.yaml").read_text()
    refused = cli("task=evaluate", f"run={run}", "model.latent_dim=3")
    assert refused.code == 2
    assert "model.latent_dim: cannot change" in refused.err


def test_figures_are_drawn_again_without_torch(run):
    shutil.rmtree(run / "figures")
    code = (
        "import sys, ae_run\n"
        f"code = ae_run.main(['task=figures', 'run={run}', 'figures.format=[png,pdf]',"
        "'figures.style=paper'])\n"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = run_process(["-c", code])
    assert done.returncode == 0, done.stderr
    assert (run / "figures/reconstructions.png").exists(), "the page's own"
    names = {path.name for path in (run / "figures/paper").iterdir()}
    assert {"reconstructions.png", "reconstructions.pdf"} <= names
    config = (run / "config.yaml").read_text()
    assert "style: paper" in config
    assert "latent_dim: 10" in config
    assert "\nrun: null" in config


def test_the_page_is_written_again(run, cli):
    (run / "report.html").unlink()
    assert cli("task=report", f"run={run}").code == 0
    assert (run / "report.html").stat().st_size > 10_000


def test_resuming_a_finished_run_completes_what_is_missing(run, cli):
    before = {name: (run / name).read_bytes() for name in ("model.safetensors", "metrics.json")}
    (run / "metrics.json").unlink()
    (run / "report.html").unlink()
    result = cli(f"resume={run}")
    assert result.code == 0, result.err
    assert {name: (run / name).read_bytes() for name in before} == before
    assert (run / "report.html").exists()
    assert not re.search(r"epoch \d", result.out)
    assert result.out.startswith("digits-conv_ae: ")
    assert "already finished" not in result.out
    assert "already finished" in cli(f"resume={run}").out


def test_only_some_keys_may_change_on_resume(run, cli):
    refused = cli(f"resume={run}", "train.lr=0.1")
    assert refused.code == 2
    assert "train.lr: cannot change" in refused.err
    refused = cli(f"resume={run}", "train.epochs=9")
    assert refused.code == 2
    assert "train.schedule=onecycle" in refused.err


def test_a_constant_schedule_goes_on(cli):
    result = cli(*FAST, "train.schedule=constant")
    longer = cli(f"resume={result.folder}", "train.epochs=4")
    assert longer.code == 0, longer.err
    assert len((result.folder / "history.csv").read_text().splitlines()) == 5
    assert read(result.folder, "run.json")["epochs_done"] == 4


def test_other_data_than_the_run_began_with_is_refused(run, cli):
    text = (run / "config.yaml").read_text().replace("limit: 80", "limit: 81")
    (run / "config.yaml").write_text(text)
    for task in ([f"resume={run}"], ["task=evaluate", f"run={run}"]):
        refused = cli(*task)
        assert refused.code == 2
        assert "fingerprint" in refused.err


def test_a_torn_file_gets_one_clear_line(run, cli):
    (run / "model.safetensors").write_bytes(b"torn")
    refused = cli("task=evaluate", f"run={run}")
    assert refused.code == 2
    assert "model.safetensors" in refused.err
    assert refused.err.count("\n") == 1


def test_a_failed_run_says_so_in_its_folder(cli):
    result = cli(*FAST, "run_dir=run", "train.optimizer=sgd", "train.lr=1e30")
    assert result.code == 1
    assert "not finite in epoch 1" in result.err
    assert result.err.count("\n") == 1
    facts = read(Path("run"), "run.json")
    assert facts["status"] == "failed"
    assert "not finite" in facts["error"]


@pytest.mark.slow
def test_a_full_disk_loses_no_finished_epoch(cli):
    """A limit on the size of files stands for the full disk."""
    resource = pytest.importorskip("resource", reason="Windows has no limit on the size of files")
    whole = cli(*FAST, "run_dir=whole", "model.widths=[256]")
    assert whole.code == 0

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))

    command = [sys.executable, "-m", "ae_run", *FAST, "run_dir=cut", "model.widths=[256]"]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "0 finished epochs saved; start again with: ae-run" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(Path("cut").glob(".*.tmp"))
    assert cli("resume=cut").code == 0
    assert (
        Path("cut/model.safetensors").read_bytes() == Path("whole/model.safetensors").read_bytes()
    )


@pytest.mark.slow
def test_runs_started_at_once_get_folders_of_their_own(tmp_path):
    command = [sys.executable, "-m", "ae_run", *FAST]
    processes = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    folders = list((tmp_path / "outputs" / "digits-conv_ae").iterdir())
    assert len(folders) == 4
    assert all((folder / "report.html").exists() for folder in folders)


@pytest.mark.slow
def test_the_main_job_beats_its_baseline(cli):
    """The default run, shortened: PCA with the same code size is beaten on test."""
    result = cli("train.epochs=60", "evaluate=quick", "train.batch_size=64")
    metrics = read(result.folder, "metrics.json")
    assert metrics["mse"] < metrics["baseline"]["pca"]["mse"]


def test_a_part_that_a_quick_run_left_out_can_be_evaluated_later(run, cli):
    result = cli("task=evaluate", f"run={run}", "evaluate=default", "evaluate.latent.samples=5")
    assert result.code == 0, result.err
    assert (run / "figures" / "random_samples.png").exists()
    assert "samples: 5" in (run / "config.yaml").read_text()


def contents(run: Path) -> tuple[dict, dict[str, bytes], set[str]]:
    """Scores, arrays and the names of the figures."""
    with np.load(run / "artifacts.npz") as arrays:
        by_name = {name: arrays[name].tobytes() for name in arrays}
    return read(run, "metrics.json"), by_name, {path.name for path in (run / "figures").iterdir()}


@pytest.mark.slow
def test_a_smaller_evaluation_keeps_what_a_larger_one_made(cli):
    small = ("evaluate.points=50", "evaluate.latent.samples=5", "evaluate.convergence.max_steps=5")
    fast = (*FAST, "evaluate=default", *small, "evaluate.tsne=[2]", "train.replicas=2")
    run = cli(*fast, "corruption=masking").folder
    scores, arrays, figures = contents(run)
    seeds = read(run, "replicas.json")
    assert {"tsne.png", "random_samples.png", "convergence.png", "robustness.png"} <= figures
    result = cli("task=evaluate", f"run={run}", "evaluate=quick", "evaluate.points=50")
    assert result.code == 0, result.err
    assert contents(run) == (scores, arrays, figures)
    assert read(run, "replicas.json") == seeds
    saved = (run / "config.yaml").read_text()
    assert "own_levels:\n  - 0.0" in saved
    assert "samples: 5" in saved
    # A part that is asked for is made again; what belongs to another number of codes is dropped.
    options = ("evaluate=quick", "evaluate.points=40", "evaluate.own_levels=[3.0]")
    assert cli("task=evaluate", f"run={run}", *options).code == 0
    new_scores, new_arrays, _ = contents(run)
    assert new_scores["robustness"]["own"]["levels"] != scores["robustness"]["own"]["levels"]
    assert new_scores["robustness"]["gaussian"] == scores["robustness"]["gaussian"]
    assert new_scores["probe"] == scores["probe"]
    assert set(arrays) - set(new_arrays) == {"codes_3d", "codes_3d_axes"}


@pytest.mark.slow
def test_what_was_found_with_other_weights_is_not_kept(run, cli):
    small = ("evaluate.latent.samples=5", "evaluate.convergence=null", "evaluate.probe=null")
    assert cli("task=evaluate", f"run={run}", "evaluate=default", *small).code == 0
    assert "latent" in read(run, "metrics.json")
    other = cli(*FAST, "seed=1").folder
    shutil.copy(other / "model.safetensors", run / "model.safetensors")
    assert cli("task=evaluate", f"run={run}", "evaluate=quick").code == 0
    assert "latent" not in read(run, "metrics.json")
    assert not (run / "figures" / "random_samples.png").exists()
    assert "latent: null" in (run / "config.yaml").read_text()
    (run / "artifacts.npz").write_bytes(b"torn")
    assert cli("task=evaluate", f"run={run}", "evaluate=quick").code == 0


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_scores_of_a_shorter_training_are_not_taken_for_those_of_a_longer_one(cli, monkeypatch):
    run = cli(*FAST, "train.schedule=constant", "train.lr=3e-3").folder
    before = read(run, "metrics.json")["mse"]
    with monkeypatch.context() as patch:
        patch.setattr("ae_run.evaluation.evaluate", _interrupted)
        assert cli(f"resume={run}", "train.epochs=6").code == 130
    assert cli(f"resume={run}").code == 0
    assert read(run, "metrics.json")["mse"] != before
    assert read(run, "run.json")["status"] == "finished"


def test_what_was_stopped_while_drawing_is_drawn_on_resume(cli, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr("ae_run.figures.draw", _interrupted)
        assert cli(*FAST, "run_dir=run").code == 130
    run = tmp_path / "run"
    assert read(run, "run.json")["status"] == "interrupted"
    assert cli("resume=run").code == 0
    assert any((run / "figures").glob("*.png"))
    assert read(run, "run.json")["status"] == "finished"
    assert "resume=" not in (run / "report.html").read_text()


def test_looking_at_a_run_again_does_not_change_how_it_ended(run, cli, monkeypatch):
    facts = read(run, "run.json")
    stopped = facts | {"status": "interrupted", "epochs_done": None}
    (run / "run.json").write_text(json.dumps(stopped))
    assert cli("task=figures", f"run={run}").code == 0
    assert read(run, "run.json")["status"] == "interrupted"
    (run / "run.json").write_text(json.dumps(facts))
    monkeypatch.setattr("ae_run.figures.draw", _interrupted)
    assert cli("task=figures", f"run={run}").code == 130
    assert read(run, "run.json")["status"] == "finished"


def test_a_run_whose_data_was_moved_is_scored_with_the_new_path(cli, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (60, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "old.npz", images=images, labels=np.arange(60) % 3)
    run = cli("data=npz", "data.path=old.npz", "train.epochs=1", "evaluate=quick").folder
    (tmp_path / "old.npz").rename(tmp_path / "new.npz")
    assert cli("task=evaluate", f"run={run}").code == 2
    assert cli("task=evaluate", f"run={run}", "data.path=new.npz").code == 0
    assert cli(f"resume={run}", "data.path=new.npz").code == 0


def test_a_folder_that_cannot_be_locked_is_one_line(run, cli):
    (run / ".lock").unlink()
    (run / ".lock").mkdir()
    result = cli("task=report", f"run={run}")
    assert result.code == 2
    assert f"{run}: cannot be written to" in result.err


@pytest.mark.slow
def test_a_curve_that_was_dropped_on_evaluation_is_gone(run, cli):
    assert cli("task=evaluate", f"run={run}", "evaluate=default").code == 0
    assert "gaussian" in read(run, "metrics.json")["robustness"]
    result = cli("task=evaluate", f"run={run}", "~evaluate.robustness.gaussian")
    assert result.code == 0, result.err
    assert "gaussian" not in read(run, "metrics.json")["robustness"]


@pytest.mark.skipif("AE_RUN_DATA" not in os.environ, reason="needs the published data")
def test_a_run_whose_root_was_moved_is_scored_with_the_new_one(cli, monkeypatch, tmp_path):
    root = os.environ["AE_RUN_DATA"]
    run = cli("data=mnist", *FAST).folder
    monkeypatch.setenv("AE_RUN_DATA", str(tmp_path))
    result = cli("task=evaluate", f"run={run}", f"data.root={root}")
    assert result.code == 0, result.err


def test_name_tags_and_notes_are_saved_shown_and_changed_later(cli):
    line = ("name=Größe 1/2", "tags=small,first", 'notes=lr "0.1", too high? (try 1e-4)')
    made = cli(*FAST, "train.epochs=1", *line)
    assert made.code == 0, made.err
    assert made.folder.name.endswith("-Gr-e-1-2")
    assert made.folder.parent == Path("outputs/digits-conv_ae")
    page = (made.folder / "report.html").read_text(encoding="utf-8")
    assert "<strong>Größe 1/2</strong> · tags: small, first" in page
    assert "lr &#34;0.1&#34;, too high? (try 1e-4)" in page
    again = cli("task=report", f"run={made.folder}", "name=other", "tags=[]", "notes=null")
    assert again.code == 0, again.err
    assert "<strong>other</strong></p>" in (made.folder / "report.html").read_text(encoding="utf-8")
    config = yaml.safe_load((made.folder / "config.yaml").read_text(encoding="utf-8"))
    assert (config["name"], config["tags"], config["notes"]) == ("other", [], None)
    refused = cli("task=report", f"run={made.folder}", "seed=1")
    assert "may change: name, tags, notes" in refused.err
