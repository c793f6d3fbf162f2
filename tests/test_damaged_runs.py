"""Whatever happened to a run folder's files: what can be used is shown, the rest is named."""

import json
import random
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.mutations import damage

sys.path.insert(0, str(Path(__file__).parent / "figures"))
import fake_run

from ae_run import figures
from ae_run.drawing import run_data
from ae_run.drawing.style import Style
from ae_run.errors import UserError
from ae_run.pages import run as run_page
from ae_run.run_folder import RunFolder

SHOWN = ("run.json", "metrics.json", "history.csv", "config.yaml", "artifacts.npz")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A made-up run with everything that a figure may show."""
    folder = fake_run.make(tmp_path_factory.mktemp("whole") / "run", corrupted=True, epochs=5)
    fake_run.add_more(folder)
    scores = {"mse": {"mean": 0.01, "sd": 0.001, "values": [0.01, 0.012]}}
    folder.write_json("replicas.json", {"seeds": [0, 1], "scores": scores})
    return folder.path


@pytest.fixture
def run(whole, tmp_path) -> RunFolder:
    shutil.copytree(whole, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def test_a_whole_run_has_nothing_damaged(run):
    assert run_data.load(run).damaged == []
    for name in ("run.json", "metrics.json", "replicas.json"):
        assert run.read_json(name) == json.loads(run.file(name).read_text())


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("run.json", {"warnings": 3}, "warnings=3: must be a valid list"),
        ("run.json", {"epochs_done": "ten"}, "epochs_done=ten: must be a valid integer"),
        ("metrics.json", {"mse": [1]}, "mse=[1]: must be a valid number"),
        ("metrics.json", {"probe": {"knn": {}}}, "probe.knn.accuracy: missing"),
        ("replicas.json", {"seeds": []}, "seeds=[]: list should have at least 1 item"),
    ],
)
def test_a_foreign_value_is_named_and_the_rest_of_the_page_is_made(
    run, capsys, name, changes, told
):
    run.write_json(name, json.loads(run.file(name).read_text()) | changes)
    page = run_page.write(run).read_text()
    assert f"left out: {run.file(name)}: {told}" in capsys.readouterr().out
    assert f"left out: {run.file(name)}" in page
    with pytest.raises(UserError, match=re.escape(told)):
        run.read_json(name)


@pytest.mark.parametrize(
    ("key", "array", "told"),
    [
        ("samples_images", np.zeros((40, 1, 28, 28)), "must hold uint8 images, has float64"),
        ("samples_images", np.zeros((40, 28), np.uint8), "must have the shape"),
        ("codes_labels", np.full(300, 10**9), "must hold integers from 0 to 99999"),
        ("codes_labels", np.zeros(7, int), "must have the shape (codes=300), has (7,)"),
        ("codes_2d", np.full((300, 2), np.nan), "must hold finite numbers"),
    ],
)
def test_an_array_of_another_type_or_shape_is_named_and_left_out(run, key, array, told):
    arrays = run.read_arrays("artifacts.npz")
    run.write_arrays("artifacts.npz", {"codes": arrays["codes"]} | arrays | {key: array})
    loaded = run_data.load(run)
    assert any(f"artifacts.npz: {key}: " in line and told in line for line in loaded.damaged)
    assert key not in loaded.arrays
    assert loaded.array("reconstruction_target") is not None


def test_a_history_with_a_word_in_it_is_drawn_with_a_gap(run):
    rows = run.read_csv("history.csv")
    rows[2]["train_mse"] = "words"
    run.write_csv("history.csv", rows)
    loaded = run_data.load(run)
    (line,) = loaded.damaged
    assert line.endswith("history.csv: line 4: train_mse=words: must be a number")
    assert np.isnan(loaded.column("train_mse")).tolist() == [False, False, True, False, False]


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: {name: digits}\n", "missing"),
        ("train: 5\n", "train=5: must be a valid dictionary"),
        ("train: &a [*a]\n", "an alias holds itself"),
        (BOMB, "an alias holds itself, or there are more than"),
        ("a: " + "[" * 5000, "not readable as YAML"),
        ("# " + "x" * 2_000_000, "larger than 1,000,000 bytes"),
        ("a: 2020-99-99\n", "not readable as YAML"),
    ],
)
@pytest.mark.parametrize("task", ["resume", "evaluate"])
def test_a_saved_config_that_is_none_is_named_in_one_message(run, cli, task, text, told):
    run.file("config.yaml").write_text(text)
    args = [f"resume={run.path}"] if task == "resume" else ["task=evaluate", f"run={run.path}"]
    result = cli(*args)
    assert result.code == 2
    assert told in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("seed", range(20))
def test_a_page_is_made_of_any_damaged_run(whole, tmp_path, seed):
    _damaged_run(whole, tmp_path, seed)
    run_page.write(RunFolder(tmp_path / "damaged"))


def _damaged_run(whole: Path, tmp_path: Path, seed: int) -> RunFolder:
    chance = random.Random(seed)
    shutil.rmtree(tmp_path / "damaged", ignore_errors=True)
    shutil.copytree(whole, tmp_path / "damaged")
    print(damage(tmp_path / "damaged", chance.choice([*SHOWN, "replicas.json"]), chance))
    return RunFolder(tmp_path / "damaged")


@pytest.mark.slow
def test_all_figures_and_the_page_are_made_of_any_damaged_run(whole, tmp_path):
    style = Style.named("default", 30)
    for seed in range(1000, 1030):
        folder = _damaged_run(whole, tmp_path, seed)
        run_page.write(folder)
        run = run_data.load(folder)
        for figure in figures.available():
            figure.draw(run, style)
            figure.describe(run)


@pytest.mark.slow
def test_a_damaged_run_is_resumed_and_evaluated_or_refused_in_one_line(cli):
    fast = ("data.limit=100", "train.epochs=2", "evaluate=quick", "evaluate.points=20")
    fast += ("model.channels=[4,4,4]", "device=cpu", "figures.dpi=30")
    assert cli(*fast, "run_dir=whole").code == 0
    files = ("resume.pt", "resume.pt", "run.json", "history.csv", "model.safetensors")
    for seed in range(24):
        chance = random.Random(seed)
        shutil.rmtree("damaged", ignore_errors=True)
        shutil.copytree("whole", "damaged")
        how = damage(Path("damaged"), chance.choice(files), chance)
        resume = ("resume=damaged",) if seed % 4 else ("task=evaluate", "run=damaged")
        result = cli(*resume)
        assert result.code in (0, 2), how
        assert result.code == 0 or result.err.count("\n") == 1, how


@pytest.mark.slow
def test_parts_of_the_state_to_resume_from_that_are_missing_are_named(cli):
    import torch

    fast = ("data.limit=80", "train.epochs=1", "evaluate=quick", "model.channels=[4,4,4]")
    assert cli(*fast, "train.schedule=constant", "train.optimizer=adam", "run_dir=run").code == 0
    whole = Path("run/resume.pt").read_bytes()

    def refused(change) -> str:
        Path("run/resume.pt").write_bytes(whole)
        state = torch.load("run/resume.pt", weights_only=True)
        change(state)
        torch.save(state, "run/resume.pt")
        result = cli("resume=run", "train.epochs=2")
        assert result.code == 2
        assert result.err.count("\n") == 1
        assert "run/resume.pt: corrupt or truncated" in result.err
        return result.err

    for part in ("model", "optimizer", "progress"):
        assert f"KeyError: '{part}'" in refused(lambda state, part=part: state.pop(part))
    assert "history" in refused(lambda state: state["progress"].update(history=[]))
    assert "best_score" in refused(lambda state: state["progress"].update(best_score="low"))
    assert "size mismatch" in refused(
        lambda state: state["model"].update({"decoder.0.weight": torch.zeros(3)})
    )
    first = lambda state: state["optimizer"]["state"][0]  # noqa: E731
    assert "has the shape" in refused(lambda state: first(state).update(exp_avg=torch.zeros(2)))
    assert "incomplete" in refused(lambda state: first(state).pop("exp_avg"))
