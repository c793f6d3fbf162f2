"""Killed in the middle of any write, or before any rename or fsync, the same command again ends
as if nothing had happened.
"""

import csv
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.fuzz import chosen
from helpers.killed import Ended, Jobs, jobs

sys.path.insert(0, str(Path(__file__).parent / "data"))
from data_helpers import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork"),
]

SMALL = ("data.limit=60", "train.batch_size=32", "evaluate=quick", "evaluate.points=20")
SMALL += ("model.channels=[4,4,4]", "device=cpu", "train.threads=1", "figures.dpi=30")
TRAIN = (*SMALL, "data=npz", "data.path=mine.npz", "train.epochs=3", "train.snapshot_every=1")
SEARCH = (*SMALL, "task=search", "search.name=s", "search.workers=1", "search.refit=none")
SEARCH += ("train.epochs=1", "search.sampler=grid", "search.space=[train.lr=choice(0.01,0.001)]")


@pytest.fixture(scope="module")
def runner() -> Iterator[Jobs]:
    with jobs() as found:
        yield found


@pytest.fixture(scope="module")
def trained(runner, tmp_path_factory) -> tuple[Path, Ended]:
    """A folder with a run that nothing disturbed, and how it ended."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, whole(runner, new(folder), *TRAIN, "run_dir=run")


def new(folder: Path) -> Path:
    """An empty folder but for images, which a run decodes into its cache."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    images = np.random.RandomState(0).rand(90, 12, 12)
    np.savez_compressed(folder / "mine.npz", images=images, labels=np.arange(90) % 3)
    return folder


def whole(runner: Jobs, folder: Path, *args: str) -> Ended:
    """Run a command to its end."""
    ended = runner.run(folder, *args)
    assert ended.code == 0, ended.said
    return ended


def results(run: Path) -> dict[str, object]:
    """All that a run has found, without what it took."""
    with np.load(run / "artifacts.npz") as file:
        arrays = {name: file[name].tobytes() for name in file.files}
    with (run / "history.csv").open() as file:
        rows = [
            {k: v for k, v in row.items() if "seconds" not in k} for row in csv.DictReader(file)
        ]
    facts = json.loads((run / "run.json").read_text())
    kept = ("status", "error", "epochs_done", "epochs_scored", "epochs_drawn", "best_epoch", "data")
    return {
        "weights": (run / "model.safetensors").read_bytes(),
        "metrics": json.loads((run / "metrics.json").read_text()),
        "arrays": arrays,
        "rows": rows,
        "facts": {key: facts.get(key) for key in kept},
        "files": sorted(p.name for p in run.rglob("*") if not p.name.startswith(".")),
    }


def test_a_training_is_resumed_to_the_same_bytes(runner, trained, tmp_path):
    reference, undisturbed = trained
    for n in chosen("training", undisturbed.count, 6):
        folder = new(tmp_path / "cut")
        killed = runner.run(folder, *TRAIN, "run_dir=run", n=n)
        assert killed.code == -9, (n, killed)
        again = ["resume=run"] if (folder / "run").exists() else [*TRAIN, "run_dir=run"]
        ended = runner.run(folder, *again)
        assert ended.code == 0, (n, ended.said)
        assert results(folder / "run") == results(reference / "run"), n


def test_an_evaluation_is_repeated_to_the_same_scores(runner, trained, tmp_path):
    reference, _ = trained
    line = ("task=evaluate", "run=run", "evaluate.points=30")
    shutil.copytree(reference, tmp_path / "whole")
    undisturbed = whole(runner, tmp_path / "whole", *line)
    for n in chosen("evaluation", undisturbed.count, 4):
        folder = tmp_path / "cut"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(reference, folder)
        assert runner.run(folder, *line, n=n).code == -9, n
        assert whole(runner, folder, *line)
        assert results(folder / "run") == results(tmp_path / "whole/run"), n


def test_a_search_ends_with_the_same_trials(runner, tmp_path):
    undisturbed = whole(runner, new(tmp_path / "whole"), *SEARCH)
    for n in chosen("search", undisturbed.count, 6):
        folder = new(tmp_path / "cut")
        assert runner.run(folder, *SEARCH, n=n).code == -9, n
        ended = runner.run(folder, *SEARCH)
        assert ended.code == 0, (n, ended.said)
        assert scores(folder) == scores(tmp_path / "whole"), n


def scores(folder: Path) -> dict[str, str]:
    """The score of every value that a search has tried to the end."""
    with (folder / "outputs/search/s/trials.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == "complete"]
    found = {row["train.lr"]: row["value"] for row in rows}
    assert len(found) == len(rows)  # each once
    return found


def test_a_download_is_whole_or_missing(runner, tmp_path):
    content = os.urandom(300_000)
    digest = f"md5:{hashlib.md5(content).hexdigest()}"
    with serving({"/f": content}) as server:
        line = ("fetch", "new/file.gz", digest, f"{server.url}/f")
        undisturbed = whole(runner, new(tmp_path / "whole"), *line)
        for n in range(1, undisturbed.count + 1):
            folder = new(tmp_path / "cut")
            assert runner.run(folder, *line, n=n).code == -9, n
            path = folder / "new/file.gz"
            assert not path.exists() or path.read_bytes() == content
            whole(runner, folder, *line)
            assert path.read_bytes() == content
            assert {p.name for p in path.parent.iterdir()} == {"file.gz", ".file.gz.lock"}
