"""The loss curves say what the history says."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from ae_run.drawing.run_data import RunData
from ae_run.drawing.style import Style
from ae_run.figures.training import loss_curves


def draw(history: list[dict[str, object]], **run: object) -> Figure:
    rows = [{key: str(value) for key, value in row.items()} for row in history]
    figure = loss_curves(RunData(run=dict(run), history=rows), Style.named("default", 50), "T")
    assert figure is not None
    return figure


def row(epoch: int, **columns: object) -> dict[str, object]:
    return {"epoch": epoch, "stage": "all", "lr": 0.1, "train_seconds": 1.0, **columns}


def test_lines_hold_the_values_and_empty_cells_are_left_out() -> None:
    history = [row(e, train_mse=1 / e, validation_mse="" if e == 2 else 2 / e) for e in (1, 2, 3)]
    axes = draw(history, best_epoch=3, monitor="validation_mse").axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_allclose(lines["train"].get_xydata(), [[1, 1], [2, 1 / 2], [3, 1 / 3]])
    np.testing.assert_allclose(lines["validation"].get_xydata(), [[1, 2], [3, 2 / 3]])
    assert lines["best: epoch 3, 0.6667"].get_xdata() == [3, 3]


def test_a_total_that_is_its_only_term_is_not_drawn_twice() -> None:
    history = [row(e, train_mse=1 / e, train_total=1 / e) for e in (1, 2)]
    assert [axes.get_ylabel() for axes in draw(history).axes] == [
        "mean squared error\n(per pixel)",
        "learning rate",
    ]


def test_the_monitored_score_comes_first() -> None:
    history = [row(e, train_bce=5, train_kl=1, train_total=6, validation_nelbo=7) for e in (1, 2)]
    labels = [axes.get_ylabel() for axes in draw(history, monitor="validation_nelbo").axes]
    assert labels[0] == "negative ELBO\n(nats per image)"
    assert labels[1] == "total loss"
    names = {label.split("\n")[0] for label in labels[2:]}
    assert names == {"cross-entropy", "KL divergence", "learning rate"}


@pytest.mark.parametrize(("last", "scale"), [(0.01, "log"), (0.9, "linear"), (100.0, "linear")])
def test_the_axis_is_logarithmic_when_the_loss_falls_far(last: float, scale: str) -> None:
    axes = draw([row(1, train_mse=1.0), row(2, train_mse=last)]).axes[0]
    assert axes.get_yscale() == scale


def test_stages_are_named_and_epochs_that_start_anew_are_counted_on() -> None:
    history = [row(e, train_mse=1.0) | {"stage": s} for s in ("outer", "inner") for e in (1, 2)]
    axes = draw(history).axes[0]
    assert {text.get_text() for text in axes.texts} == {"outer", "inner"}
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3, 4]
