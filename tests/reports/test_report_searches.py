"""A report's searches, through the script, on built-in data."""

import json
from pathlib import Path

import committed
import pytest

from ae_run.reports import cli, spec

pytestmark = pytest.mark.slow

_SEARCHED = """
title: Searched
author: nobody
about: A report for tests.
runs:
  ae:
    args: >-
      data=digits data.limit=80 train.epochs=2 train.batch_size=32 evaluate=quick
    quick: {train.epochs: 1}
searches:
  search_lr:
    args: >-
      data=digits data.limit=80 train.epochs=2 train.batch_size=32 evaluate=quick
      'search.space=[train.lr=log(1e-4,1e-1)]' search.refit=none
    report_trials: 4
    trials: 3
    quick_trials: 2
  search_classifier:
    args: search=notmnist_classifier search.refit=none
    report_trials: 4
    trials: 3
    quick_trials: 2
    encoder: ae
rows:
  - {id: mse, label: MSE, report: 0.05, metric: mse, as_report: ae}
  - {id: lr, label: learning rate, report: 0.01, metric: train.lr, ours: search_lr}
  - id: width
    label: first width
    report: 45
    metric: evaluate.probe.mlp.widths.0
    ours: search_classifier
figures: []
"""


def test_searches_are_run_once_and_their_best_values_stand_in_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "searched.yaml").write_text(_SEARCHED, encoding="utf-8")
    monkeypatch.setattr(spec, "folder", lambda: folder)
    assert cli.main(["--jobs", "1", "--commit-reference"]) == 0, capsys.readouterr().err
    made = Path("outputs/reports/searched")
    rows = {row["id"]: row for row in json.loads((made / "comparison.json").read_text())}
    assert 1e-4 <= rows["lr"]["ours"] <= 1e-1
    assert 16 <= rows["width"]["ours"] <= 64
    assert "2/4 trials" in rows["width"]["tags"]["ours"]
    assert rows["width"]["search"]["trials"] == 2
    committed.check(Path("outputs/reference/searched"))
    # The encoder's weights were kept for the classifier's search.
    (run,) = Path("outputs/reports/runs").iterdir()
    assert (run / "model.safetensors").is_file()
    capsys.readouterr()
    assert cli.main(["--jobs", "1"]) == 0
    again = capsys.readouterr().out
    assert "search " not in again
    assert "nothing new" in again


def test_a_search_that_fails_is_told_and_the_rest_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "specs"
    folder.mkdir()
    text = _SEARCHED.replace("train.lr=log(1e-4,1e-1)", "train.lr=log(1,2)").replace(
        "search.refit=none\n    report_trials", "train.clip_norm=-1\n    report_trials", 1
    )
    (folder / "searched.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(spec, "folder", lambda: folder)
    assert cli.main(["--jobs", "1", "--rows", "mse", "lr"]) in (1, 2)
    assert "train.clip_norm" in capsys.readouterr().err
