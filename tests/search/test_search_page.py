"""A search's page and figures: one name for the score, one number per trial, nothing hidden."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "pages"))
from parsed_page import Page

from ae_run.drawing.style import Style
from ae_run.run_folder import RunFolder
from ae_run.schema import FiguresConfig
from ae_run.search import figures, page, space
from ae_run.search.trials import FinishedTrial, SearchData

EXACT = 0.0020322854432411525
SPACE = space.parse(
    ["train.lr=log(1e-4,1e-1)", "train.momentum=float(0,0.99)", "model.dropout=choice(null,0.5)"]
)


def trial(number: int, state: str, score: float, order: float, **params: Any) -> FinishedTrial:
    return FinishedTrial(number, state, (score,), params, {1: score}, order)


TRIALS = [
    trial(0, "complete", 0.05, 3.0, **{"train.lr": EXACT, "model.dropout": None}),
    trial(1, "complete", 0.06, 1.0, **{"train.lr": 0.01, "model.dropout": 0.5}),
    trial(2, "complete", 0.07, 2.0, **{"train.lr": 0.02, "train.momentum": 0.9}),
    trial(3, "complete", 9.0, 4.0, **{"train.lr": 0.09, "model.dropout": 0.5}),
    trial(4, "pruned", 0.3, 5.0, **{"train.lr": 0.08, "model.dropout": 0.5}),
]


def data(trials: list[FinishedTrial] = TRIALS) -> SearchData:
    options: Any = SimpleNamespace(
        objective="train", direction="minimize", also_minimize=(), pruner="median"
    )
    return SearchData("s", options, SPACE, trials, {}, None, "mse")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    for number in range(4):
        (tmp_path / f"trials/{number}").mkdir(parents=True)
    found = RunFolder(tmp_path)
    run = {"seed": 0, "device": "cpu", "versions": {"torch": "2.15.0"}}
    run |= {"data": {"name": "digits", "train": 100, "validation": 20, "fingerprint": "0"}}
    found.write_json("trials/0/run.json", run)
    return found


def written(folder: RunFolder, trials: list[FinishedTrial] = TRIALS) -> Page:
    options: Any = SimpleNamespace(
        sampler="tpe", pruner="median", n_trials=5, objective="train", refit="train"
    )
    plan: Any = SimpleNamespace(
        label="digits-conv_ae", options=options, space=SPACE, best_from_file="ae-run"
    )
    facts = {
        "name": "s",
        "trials": 5,
        "complete": 4,
        "pruned": 1,
        "failed": 0,
        "seconds": 9.0,
        "epochs_saved": 3,
        "seconds_saved": 1.0,
        "pruned_share": 0.2,
        "best": {
            "number": 0,
            "value": 0.05,
            "params": TRIALS[0].params,
            "command": f"ae-run train.lr={EXACT}",
        },
    }
    return Page(page.write(folder, plan, facts, data(trials)))


def test_the_score_is_named_with_its_direction(folder: RunFolder) -> None:
    text = written(folder).text
    assert "best validation mean squared error 0.05" in text
    assert "validation mean squared error (per pixel); less is better" in text
    assert "validation score" not in text


def test_each_trial_is_a_row_that_links_to_its_folder(folder: RunFolder) -> None:
    found = written(folder)
    links = {link for link in found.links if link.startswith("trials/")}
    assert links == {f"trials/{number}/" for number in range(4)}, "the pruned one has none left"
    assert {"class": "sortable"} in found.all("table")


def test_values_are_rounded_and_exact_in_the_command(folder: RunFolder) -> None:
    found = written(folder)
    assert f"ae-run train.lr={EXACT}" in found.text
    assert found.text.count(str(EXACT)) == 1
    cells = [cell for cell in found.all("td") if cell.get("data-value") == str(EXACT)]
    assert [cell["title"] for cell in cells] == [str(EXACT)]
    assert "0.002032" in found.text
    assert "null" not in {cell.get("data-value") for cell in found.all("td")}


@pytest.mark.parametrize(
    "fact", ["Finished, 5 trials", "digits, train 100, validation 20", "torch 2.15.0", "Copy"]
)
def test_tells(fact: str, folder: RunFolder) -> None:
    assert fact in written(folder).text


def test_a_final_run_worse_than_its_baselines_is_warned_of(folder: RunFolder) -> None:
    folder.file("refit/0").mkdir(parents=True)
    folder.file("refit/0/report.html").write_text("")
    scores = {"mse": 0.0859, "baseline": {"pca": {"mse": 0.0348}, "mean": {"mse": 0.0678}}}
    folder.write_json("refit/0/metrics.json", scores)
    found = written(folder)
    assert "status warned" in {attrs.get("class") for attrs in found.all("div")}
    assert "no better than that of PCA with as many components, 0.0348 or the mean image" in (
        found.text
    )


def test_a_score_beyond_the_axis_is_marked_and_trials_stand_at_their_number() -> None:
    style = Style.named("default", 60)
    with matplotlib.rc_context(style.rc):
        figure = figures.history(data(), style)
    assert figure is not None
    axes = figure.axes[0]
    beyond = next(line for line in axes.lines if line.get_label() == "beyond the axis")
    assert axes.get_ylim()[1] < 9
    numbers = {
        collection.get_label(): collection.get_offsets()[:, 0].tolist()
        for collection in axes.collections
    }
    assert numbers["complete"] == [0, 1, 2, 3]
    marked = {x for line in axes.lines if line.get_marker() == "^" for x in line.get_xdata()}
    assert marked == {3, 4}
    assert beyond.get_ydata()[0] == axes.get_ylim()[1]


def test_a_parameter_of_some_trials_has_its_axis_too() -> None:
    style = Style.named("default", 60)
    with matplotlib.rc_context(style.rc):
        figure = figures.FIGURES["parallel"][2](data(), style)
    assert figure is not None
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert "train.\nmomentum" in labels
    assert "not used" in {text.get_text() for text in figure.axes[0].texts}


def test_its_pictures_are_drawn_for_a_light_and_a_dark_page(folder: RunFolder) -> None:
    options = {"format": ["png"], "style": "default", "dpi": 40}
    options |= {"width": None, "titles": True, "dark_page": True}
    names = figures.draw(data(), folder, FiguresConfig.model_validate(options))
    assert {"history", "slices", "parallel", "intermediate"} == set(names)
    found = written(folder)
    assert len(found.all("source")) == len(names)
    assert len([one for one in found.all("a") if one.get("class") == "zoom"]) == len(names)


def test_of_many_trials_the_best_and_some_others_are_shown_and_it_says_so(
    folder: RunFolder,
) -> None:
    many = [trial(n, "complete", 1 + (7 * n) % 2000, n, **{"train.lr": 0.01}) for n in range(2000)]
    found = data(many)
    assert len(found.shown) == 300
    assert set(range(1, 101)) <= {p.values[0] for p in found.shown}
    style = Style.named("default", 60)
    with matplotlib.rc_context(style.rc):
        drawn = {name: make(found, style) for name, (_, _, make) in figures.FIGURES.items()}
    history, slices, parallel = (drawn[name] for name in ("history", "slices", "parallel"))
    assert history is not None
    assert slices is not None
    assert parallel is not None
    assert sum(len(points.get_offsets()) for points in history.axes[0].collections) == 300
    best = next(line for line in history.axes[0].lines if line.get_label() == "best so far")
    assert len(best.get_xdata()) == 2001
    assert max(len(points.get_offsets()) for points in slices.axes[0].collections) == 300
    assert len(parallel.axes[0].lines) < 310
    folder.file("figures").mkdir()
    Image.new("RGB", (8, 8)).save(folder.file("figures/history.png"))
    page_of_many = written(folder, many)
    assert "Of 2,000 trials, the figures show 300" in page_of_many.text
    assert "the best 100 of 2,000" in page_of_many.text
    assert "the figures show" not in written(folder).text
