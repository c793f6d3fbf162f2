"""Whatever happened to a config, a run folder or a journal: a result, or one line; nothing lost."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Result
from helpers.fuzz import cases
from helpers.mutations import change, damage

import ae_run
from ae_run import components

pytestmark = pytest.mark.slow

SMALL = ("data.limit=60", "train.batch_size=32", "train.epochs=1", "evaluate=quick")
SMALL += ("evaluate.points=20", "model.channels=[4,4,4]", "device=cpu", "figures.dpi=30")
SEARCH = (*SMALL, "task=search", "search.name=s", "search.n_trials=3", "search.workers=1")
SEARCH += ("search.refit=none", "search.sampler=random", "search.space=[train.lr=log(1e-4,1e-1)]")
KEPT = ("model.safetensors", "resume.pt", "metrics.json", "artifacts.npz", "history.csv")


def ends_well(result: Result, how: object, most: int = 1) -> None:
    """With a result or one line; a config has a line for each of its errors."""
    # A search that has no time is told so and ends with 1.
    assert result.code in (0, 2) or "time is up" in result.err, (how, result)
    assert result.code == 0 or 1 <= result.err.count("\n") <= most, (how, result.err)
    assert "Traceback" not in result.out + result.err, how
    assert len(result.err) < 3000, how


def made(folder: Path, *args: str) -> Path:
    """What a command makes in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert ae_run.main(["-q", *args]) == 0
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    more = ("train.replicas=2", "train.snapshot_every=1", "corruption=gaussian")
    return made(folder, *SMALL, *more, "run_dir=run") / "run"


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("searched"), *SEARCH)


def test_a_damaged_config_of_ones_own_is_used_or_refused(cli):
    groups = {"model": "conv_ae", "data": "digits", "train": "default", "search": "default"}
    groups |= {"corruption": "gaussian", "evaluate": "quick", "experiment": "zoo_conv"}
    for chance in cases("config", 0.15):
        group = chance.choice(sorted(groups))
        path = Path("own") / group / "x.yaml"
        shutil.rmtree("own", ignore_errors=True)
        path.parent.mkdir(parents=True)
        shutil.copy(components.conf_dir() / group / f"{groups[group]}.yaml", path)
        how = damage(path.parent, path.name, chance)
        before = path.read_bytes()
        task = ("task=search", "search.timeout=1e-9") if group == "search" else ("task=check",)
        ends_well(cli("--config-dir", "own", f"{group}=x", *task, "data.limit=60"), how, 20)
        assert path.read_bytes() == before


def test_a_damaged_run_folder_is_used_or_refused_and_nothing_is_lost(cli, finished):
    names = ("run.json", "config.yaml", "replicas.json", "snapshots.npz", *KEPT)
    lines = {
        "report": ("task=report", "run=run"),
        "list": ("task=list", "runs=[run]"),
        "resume": ("resume=run",),
        "compare": ("task=compare", "runs=[run,whole]", "run_dir=compare"),
        "clean": ("task=clean", "runs=[run]"),
        "evaluate": ("task=evaluate", "run=run"),
        "figures": ("task=figures", "run=run"),
    }
    shutil.copytree(finished, "whole")
    for chance in cases("folder", 0.4):
        for folder in ("run", "compare"):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(finished, "run")
        how = damage(Path("run"), chance.choice(names), chance)
        before = {name: Path("run", name).read_bytes() for name in KEPT}
        task = chance.choice([*lines, "report", "list", "resume", "compare"])
        result = cli(*lines[task])
        ends_well(result, (how, task), 20 if how.startswith("config.yaml") else 1)
        after = {name: Path("run", name).read_bytes() for name in KEPT}
        assert after == before or (result.code == 0 and task in ("resume", "evaluate")), (how, task)


def test_a_damaged_journal_is_used_or_refused_and_kept(cli, searched):
    for chance in cases("journal", 0.2):
        shutil.rmtree("outputs", ignore_errors=True)
        shutil.copytree(searched / "outputs", "outputs")
        journal = Path("outputs/search/s/journal.log")
        how = damage_journal(journal, chance)
        before = journal.read_bytes()
        result = cli(*SEARCH)
        ends_well(result, how)
        copies = [path.read_bytes() for path in journal.parent.glob("journal.log.*")]
        assert before in copies or journal.read_bytes().startswith(before), how


def damage_journal(path: Path, chance: random.Random) -> str:
    """Change one record of a journal, or its bytes."""
    lines = path.read_text().splitlines()
    at = chance.randrange(len(lines))
    ways: dict[str, Callable[[], object]] = {
        "removed": lambda: lines.pop(at),
        "twice": lambda: lines.insert(at, lines[at]),
        "moved": lambda: lines.insert(chance.randrange(len(lines)), lines.pop(at)),
    }
    how = chance.choice([*ways, *["changed"] * 5, "bytes"])
    if how == "bytes":
        return damage(path.parent, path.name, chance)
    if how == "changed":
        record = json.loads(lines[at])
        how = change(record, chance)
        lines[at] = json.dumps(record)
    else:
        ways[how]()
    path.write_text("".join(f"{line}\n" for line in lines))
    return f"line {at + 1}: {how}"
