"""A run that ends early says when and why: in the terminal, in log.txt and in run.json."""

import json
from pathlib import Path

import pytest
from command_line import FAST
from training_runs import make

from ae_run.config import PlateauConfig
from ae_run.training.checkpoints import Progress
from ae_run.training.loop import fit
from ae_run.training.run import training_facts
from ae_run.training.stopping import is_plateau, why_early

PATIENCE = ("train.patience=3", "train.lr=0.03", "train.schedule=constant")


@pytest.mark.parametrize(
    ("losses", "ends"),
    [
        ([5, 4, 3, 2.0, 1.0], False),
        ([5, 4, 3, 3.00001, 2.99999], True),  # no change over two epochs
        ([5, 1, 2, 3, 4.0], True),  # three rises
        ([5, 1, 2, 3, 2.5], False),
        ([3.0, 3.0], False),  # too early to tell
    ],
)
def test_a_plateau_is_little_change_or_rise_after_rise(losses, ends):
    rule = PlateauConfig(epochs=2, change=1e-4, rises=3)
    assert is_plateau(losses, rule) == ends


def test_early_stopping_is_told_with_its_reason_and_best_epoch(cli):
    options = [option for option in FAST if not option.startswith("train.epochs")]
    result = cli(*options, *PATIENCE, "train.epochs=60")
    run = json.loads((result.folder / "run.json").read_text())
    done, best = run["epochs_done"], run["best_epoch"]
    text = (
        f"stopped early after {done} of 60 epochs: no better validation score for 3 epochs "
        f"(train.patience); the best was epoch {best}"
    )
    assert done == best + 3 < 60
    assert run["stopped_early"] == text
    assert text in result.out.splitlines()
    assert text in (result.folder / "log.txt").read_text().splitlines()
    assert f"epoch {done}/60: " in result.out


def test_a_plateau_is_told_as_the_reason():
    run = make("a", "train.epochs=30", "train.plateau={epochs: 2, change: 1.0, rises: 3}")
    list(fit(run))
    assert "no longer falls (train.plateau)" in training_facts(run)["stopped_early"]
    assert "no longer falls" in Path("a/log.txt").read_text()


def test_a_run_that_took_all_its_epochs_did_not_stop_early():
    run = make("a", *PATIENCE, "train.epochs=2")
    list(fit(run))
    assert training_facts(run)["stopped_early"] is None


def test_the_last_epoch_is_no_early_stop():
    settings = make("a", *PATIENCE).config.train
    history = [{"train_total": 1.0}] * 5
    progress = Progress(epoch=5, stage_epoch=5, best_epoch=2, history=history)
    assert why_early(settings, progress, 5) is None
    assert why_early(settings, progress, 6) is not None
