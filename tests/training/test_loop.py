"""The training loop: it learns, it stops when it must, and stopping costs nothing."""

import csv
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_runs import CPU, make

from ae_run import processes
from ae_run.data import Images
from ae_run.errors import Interrupted, RunFailed, UserError
from ae_run.images import DeviceImages
from ae_run.models import LossTerms, conv_ae
from ae_run.run_folder import RunFolder
from ae_run.training import checkpoints, fit
from ae_run.training.interrupts import stop_requests
from ae_run.training.run import start
from ae_run.training.step import Corruptor, batches
from ae_run.training.validation import Validator


def weights(folder: str) -> bytes:
    return Path(folder, "model.safetensors").read_bytes()


def steady(rows: list[dict]) -> list[dict]:
    """History without the columns that time things."""
    return [{k: v for k, v in row.items() if not k.endswith("seconds")} for row in rows]


@pytest.mark.slow
def test_thirty_two_images_can_be_learned_by_heart():
    run = make(
        "a",
        "data.limit=32",
        "data.validation_fraction=0",
        "train.epochs=600",
        "train.weight_decay=0",
        "model.latent_dim=32",
    )
    rows = list(fit(run))
    assert rows[-1]["train_mse"] < 0.004
    assert rows[-1]["train_mse"] < 0.05 * rows[0]["train_mse"]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        list(fit(make(name, f"seed={seed}")))
    assert weights("a") == weights("b")
    assert weights("a") != weights("c")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("model.dropout=0.3", "corruption=gaussian"),
        ("train.threads=2",),
        ("model.batch_norm=true", "train.optimizer=sgd", "train.schedule=cosine"),
        ("train.optimizer=adamax", "train.patience=2", "train.clip_norm=0.1"),
        ("train.optimizer=rmsprop", "train.schedule=constant", "data.validation_fraction=0"),
    ],
)
def test_stopping_after_any_epoch_and_resuming_changes_nothing(options):
    whole = list(fit(make("whole", "train.lr=1e-3", *options)))
    for epochs in range(1, 3):
        name = f"cut{epochs}"
        loop = fit(make(name, "train.lr=1e-3", *options))
        for _ in range(epochs):
            next(loop)
        loop.close()
        rest = list(fit(make(name, "train.lr=1e-3", *options)))
        assert len(rest) == 3 - epochs
        assert weights(name) == weights("whole")
    with Path("cut1/history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(whole) == 3


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_bytes():
    args = ["data.limit=400", "train.epochs=12", "train.batch_size=16", "evaluate=quick"]
    command = [sys.executable, "-m", "ae_run", *args]
    subprocess.run([*command, "run_dir=whole"], check=True, capture_output=True)
    process = subprocess.Popen([*command, "run_dir=cut"], stdout=subprocess.DEVNULL)
    history = Path("cut/history.csv")
    deadline = time.monotonic() + 60
    while not (history.is_file() and history.read_text().count("\n") > 3):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    done = history.read_text().count("\n") - 1
    assert 3 <= done < 12
    assert not Path("cut/metrics.json").exists()
    resume = [sys.executable, "-m", "ae_run", "resume=cut"]
    subprocess.run(resume, check=True, capture_output=True)
    assert weights("cut") == weights("whole")
    assert Path("cut/metrics.json").read_text() == Path("whole/metrics.json").read_text()


@pytest.mark.slow
def test_ctrl_c_stops_after_the_step_and_says_how_to_go_on():
    command = [sys.executable, "-m", "ae_run", "train.epochs=100000", "run_dir=run"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    deadline = time.monotonic() + 60
    while not Path("run/resume.pt").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "ae-run resume=run" in err
    assert "finished epoch" in err
    assert "Traceback" not in err
    assert RunFolder(Path("run")).read_json("run.json")["status"] == "interrupted"


def test_every_stop_signal_of_the_platform_is_a_request(monkeypatch):
    signals = (*processes.stop_signals(), signal.SIGUSR1)  # as Windows has one more
    monkeypatch.setattr(processes, "stop_signals", lambda: signals)
    for number in signals:
        with stop_requests() as stop:
            signal.raise_signal(number)
        assert stop.signal_number == number


def test_a_stop_request_raises_after_the_step():
    run = make("a")
    loop = fit(run)
    next(loop)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Interrupted) as caught:
        next(loop)
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loss_that_is_not_finite_stops_the_run_and_names_term_epoch_and_step(monkeypatch):
    loop = fit(make("a"))
    next(loop)
    loop.close()
    kept = weights("a"), Path("a/resume.pt").read_bytes()
    steps = 0
    loss = conv_ae.Model.loss

    def broken(self, x_in, target) -> LossTerms:
        nonlocal steps
        steps += 1
        terms = loss(self, x_in, target)
        scale = math.nan if steps >= 2 else 1.0
        return LossTerms(terms.total * scale, {"mse": terms.terms["mse"] * scale})

    monkeypatch.setattr(conv_ae.Model, "loss", broken)
    with pytest.raises(RunFailed, match=r"loss term 'mse' is not finite in epoch 2, step 2"):
        list(fit(make("a")))
    assert (weights("a"), Path("a/resume.pt").read_bytes()) == kept


def test_weights_that_are_not_finite_are_never_saved():
    run = make("a", "train.optimizer=sgd", "train.lr=1e30", "train.schedule=constant")
    with pytest.raises(RunFailed, match=r"not finite in epoch 1.*no epoch was finished") as failed:
        list(fit(run))
    assert "new run with a smaller train.lr" in str(failed.value)
    assert "resume" not in str(failed.value)
    assert not Path("a/model.safetensors").exists()


def test_the_best_epoch_is_kept_and_patience_ends_the_run():
    run = make(
        "a", "train.epochs=40", "train.patience=3", "train.lr=0.03", "train.schedule=constant"
    )
    rows = list(fit(run))
    scores = [row["validation_mse"] for row in rows]
    best = scores.index(min(scores))
    assert len(rows) < 40
    assert len(rows) == best + 1 + 3
    again = make("a", "train.epochs=40")
    checkpoints.load_weights(again.folder, again.model)
    validator = Validator(again.config, again.dataset.validation, CPU, torch.float32)
    assert validator.scores(again.model)["mse"] == pytest.approx(min(scores), rel=1e-6)
    assert (
        list(
            fit(
                make(
                    "a",
                    "train.epochs=40",
                    "train.patience=3",
                    "train.lr=0.03",
                    "train.schedule=constant",
                )
            )
        )
        == []
    )


def test_history_means_are_over_images_not_over_batches():
    rows = [
        next(
            fit(
                make(
                    f"b{size}",
                    f"train.batch_size={size}",
                    "train.optimizer=sgd",
                    "train.lr=1e-12",
                    "train.epochs=1",
                )
            )
        )
        for size in (7, 80)
    ]
    assert rows[0]["train_mse"] == pytest.approx(rows[1]["train_mse"], rel=1e-5)


def test_every_epoch_visits_every_image_once_in_a_new_order():
    images = DeviceImages(Images(np.zeros((79, 1, 1, 1), np.uint8)), CPU)
    first, second = (torch.cat(batches(0, epoch, images, 13)) for epoch in (1, 2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(79))
    assert first.tolist() != second.tolist()
    assert [len(batch) for batch in batches(0, 1, images, 13)] == [13] * 5 + [14]


def test_constant_schedule_can_be_prolonged():
    options = ("train.schedule=constant", "train.lr=1e-3")
    list(fit(make("long", *options, "train.epochs=5")))
    list(fit(make("cut", *options, "train.epochs=2")))
    list(fit(make("cut", *options, "train.epochs=5")))
    assert weights("cut") == weights("long")


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_other_precisions_agree(precision):
    rows = list(fit(make("a", "train.epochs=1")))
    other = list(fit(replace(make("b", "train.epochs=1"), precision=precision)))
    tolerance = {"float64": 1e-5, "bfloat16": 0.02}[precision]
    assert other[0]["train_mse"] == pytest.approx(rows[0]["train_mse"], rel=tolerance)


def test_no_validation_keeps_the_last_weights():
    rows = list(fit(make("a", "data.validation_fraction=0")))
    assert not any(name.startswith("validation_mse") for name in rows[-1])
    state = torch.load("a/resume.pt", weights_only=True)
    assert state["progress"]["best_epoch"] == 3


def test_snapshots_are_kept_every_few_epochs_and_survive_resuming():
    options = ("train.snapshot_every=2", "train.epochs=5", "corruption=gaussian")
    list(fit(make("whole", *options)))
    loop = fit(make("cut", *options))
    for _ in range(3):
        next(loop)
    loop.close()
    list(fit(make("cut", *options)))
    whole, cut = (RunFolder(Path(name)).read_arrays("snapshots.npz") for name in ("whole", "cut"))
    assert whole["epochs"].tolist() == [2, 4]
    assert all((whole[key] == cut[key]).all() for key in whole)


def test_a_stop_between_two_epochs_is_heard():
    loop = fit(make("a"))
    next(loop)
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Interrupted) as stopped:
        next(loop)
    assert stopped.value.exit_code == 143


def test_fixed_noise_is_the_same_in_every_epoch_and_new_noise_is_not():
    for fixed in (True, False):
        run = make("a", "corruption=gaussian", f"corruption.fixed={str(fixed).lower()}")
        images = DeviceImages(run.dataset.train.images, CPU)
        corruptor = Corruptor(run.config.corruption, images)
        index = torch.tensor([5, 3, 8])
        first, second = (corruptor(images.take(index), index) for _ in range(2))
        assert torch.equal(first, second) == fixed
        alone = corruptor(images.take(index[1:2]), index[1:2])
        assert torch.equal(alone[0], first[1]) == fixed


def test_training_ends_on_a_plateau_and_resumes_to_the_same_end():
    options = ("train.epochs=30", "train.plateau={epochs: 2, change: 1.0, rises: 3}")
    rows = list(fit(make("a", *options)))
    assert len(rows) == 3
    assert list(fit(make("a", *options))) == []


def test_training_starts_from_another_runs_weights():
    list(fit(make("a")))
    folder = Path("a").resolve()
    Path("a/config.yaml").write_text("{}")
    dataset = make("b").dataset
    config = make("c", f"train.init_from={folder}").config
    run = start(config, dataset, None, "digits-conv_ae", [])
    checkpoints.load_weights(RunFolder(folder), own := make("d").model)
    for mine, theirs in zip(run.model.parameters(), own.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert list(fit(run))


def test_weights_of_another_net_are_refused():
    list(fit(make("a")))
    Path("a/config.yaml").write_text("{}")
    run = make("b", "train.init_from=a", "model.latent_dim=3")
    with pytest.raises(UserError, match=r"a/model\.safetensors: not this model's weights"):
        start(run.config, run.dataset, None, "digits-conv_ae", [])
