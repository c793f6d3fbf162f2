"""Labels in a scatter plot can be read."""

import io

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ae_run.drawing.run_data import RunData
from ae_run.drawing.scatter import scatter_figure
from ae_run.drawing.style import Style


@pytest.mark.parametrize("height", [1.0, 0.3, 1e-3], ids=["round", "flat", "a line"])
def test_no_class_name_covers_another(height: float) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 30)
    points = rng.normal(0, 1, (300, 2)) + rng.normal(0, 0.3, (10, 2))[labels]
    points[:, 1] *= height
    style = Style.named("default", 100)
    with matplotlib.rc_context(style.rc):
        figure = scatter_figure(RunData(), style, "T", points, labels, ("x", "y"))
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        boxes = [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    assert len(boxes) == 10
    covered = [(a, b) for a in range(10) for b in range(a) if boxes[a].overlaps(boxes[b])]
    assert covered == []


def test_codes_that_are_all_the_same_are_drawn() -> None:
    style = Style.named("default", 50)
    labels = np.repeat(np.arange(10), 3)
    with matplotlib.rc_context(style.rc):
        figure = scatter_figure(RunData(), style, "T", np.full((30, 2), 1e-7), labels, ("x", "y"))
        figure.savefig(io.BytesIO(), format="png")
    assert len(figure.axes[0].texts) == 10
