"""What only the reports draw, from runs that are made up."""

import io
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ae_run.config import Config
from ae_run.drawing.image_grid import Block, grid_figure, wrap
from ae_run.drawing.run_data import RunData
from ae_run.drawing.style import Style
from ae_run.reports import _classes, _curves, _grids
from ae_run.reports.plan import Planned
from ae_run.reports.results import Found

STYLE = Style.named("default", 60)


def _found(run: RunData, budget: str = "full", name: str = "a") -> Found:
    config = Config.model_construct()
    plan = Planned("r", name, budget, 0, None, (), config, "d", "t", frozenset())
    return Found(name, (plan,), (run,), (budget,))


def _texts(figure: Figure) -> list[str]:
    found = [text.get_text() for text in figure.texts]
    for legend in figure.legends:
        found += [text.get_text() for text in legend.get_texts()]
    return found


@pytest.mark.parametrize("count", [1, 5, 10, 13])
def test_every_image_of_a_grid_is_found(count: int) -> None:
    images, n = wrap(np.zeros((count, 1, 8, 8), np.uint8), 5)
    figure = grid_figure(STYLE, "T", "", [Block(images, count=n)])
    boxes = [box for row in _grids.cells(figure.axes[0]) for box in row]
    assert len(boxes) == count
    assert {(bottom - top, right - left) for top, bottom, left, right in boxes} == {(8, 8)}


def _curve(errors: list[float]) -> RunData:
    levels = {"levels": [0.0, 0.5, 1.0], "mse": errors, "input_mse": [0.0, 0.25, 1.0]}
    return RunData(metrics={"robustness": {"noise": levels}})


def test_marks_stand_where_curves_of_full_runs_meet_them() -> None:
    options = {"title": "T", "curve": "noise", "x": "std", "marks": [[0.03, "report"]]}
    runs = [_curve([0.02, 0.04, 0.06]), _curve([0.01, 0.02, 0.04])]
    figure = _curves.draw_levels([_found(run) for run in runs], options, STYLE)
    assert figure is not None
    assert "report: 0.03, met at 0.25 and 0.75" in _texts(figure)
    cut = _curves.draw_levels([_found(runs[0], "quick")], options, STYLE)
    assert cut is not None
    assert "report: 0.03" in _texts(cut)


def test_a_chain_is_drawn_only_as_a_whole() -> None:
    options: dict[str, Any] = {
        "title": "T",
        "metric": "mse",
        "steps": ["a", "b"],
        "report": [0.2, 0.1],
        "scratch": 2,
    }
    runs = [_found(RunData(metrics={"mse": mse})) for mse in (0.2, 0.1, 0.15)]
    assert _curves.draw_chain(runs[:2], options, STYLE) is None
    figure = _curves.draw_chain(runs, options, STYLE)
    assert figure is not None
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    assert list(lines["one net, trained on"]) == [0.2, 0.1]
    assert list(lines["from scratch"]) == [0.15]


def _convergence() -> RunData:
    steps = np.array([0, 1, 2, 3, 10])
    frames = np.zeros((2, len(steps), 1, 8, 8), np.uint8)
    metrics = {"convergence": {"rests_at_marks": {"0.02": [2, None]}}}
    return RunData(
        metrics=metrics, arrays={"convergence_frames": frames, "convergence_steps": steps}
    )


def test_convergence_marks_where_the_larger_threshold_stops() -> None:
    found = _found(_convergence())
    figure = _grids.draw_convergence([found], {"title": "T", "mark": 0.02}, STYLE)
    assert figure is not None
    (patch,) = figure.axes[0].patches  # the second start never comes to rest
    _, bottom, left, _ = _grids.cells(figure.axes[0])[0][2]
    assert patch.get_x() == left - 0.5
    assert patch.get_y() + patch.get_height() == bottom - 0.5


def test_the_animation_has_a_frame_for_each_pass_that_is_kept() -> None:
    content = _grids.files_convergence(_convergence())["convergence.gif"]
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.n_frames == 5


def test_confusions_have_numbers_and_axis_names() -> None:
    probe = {"accuracy": 0.7, "confusion": [[70, 30], [30, 70]]}
    run = RunData(
        metrics={"probe": {"softmax": probe}}, arrays={"class_names": np.array(["A", "B"])}
    )
    options = {"title": "T", "classifier": "softmax", "labels": ["net"]}
    axes = _classes.draw_confusions([_found(run)], options, STYLE).axes[0]
    assert [text.get_text() for text in axes.texts] == ["70", "30", "30", "70"]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true", "predicted")


def test_the_errors_below_denoised_images_are_theirs() -> None:
    clean = np.zeros((1, 1, 4, 4), np.uint8)
    inputs = np.stack([clean, clean + 51])  # 0.2 everywhere
    output = np.zeros_like(clean)
    output[..., 0] = 26  # 0.102 in a quarter of the pixels
    metrics = {
        "robustness": {"g": {"levels": [0.0, 0.6], "mse": [0.0, 0.01], "input_mse": [0, 0.04]}}
    }
    arrays = {"robustness_g_inputs": inputs, "robustness_g_outputs": np.stack([clean, output])}
    options = {"title": "T", "curve": "g", "level": 0.6}
    figure = _grids.draw_denoised([_found(RunData(metrics=metrics, arrays=arrays))], options, STYLE)
    assert figure is not None
    assert "0.0026" in _texts(figure)
    assert "0.0400" not in _texts(figure)  # of the input, which may be cut in the picture
