"""Curves, crossings, aims, and the committed results recomputed from what lies beside them."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ae_run.figures._run_data import RunData
from ae_run.reports import reference
from ae_run.reports._curves import crossing
from ae_run.reports.compare import Line, Side
from ae_run.reports.maker import _small
from ae_run.reports.results import mean_sd, value
from ae_run.reports.spec import Row

_REFERENCE = Path(__file__).parents[2] / "outputs" / "reference"
COMMITTED = sorted(path.parent for path in _REFERENCE.glob("*/comparison.json"))


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: path.name)
def test_every_committed_row_follows_from_the_committed_arrays(folder: Path) -> None:
    runs = json.loads((folder / "runs.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    rows = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    for row in rows:
        for side in ("as_report", "ours"):
            digests = row["run_digest"].get(side, [])
            if not digests or digests[0] not in runs:
                continue  # a search, or not run
            values = [reference.recompute(row["metric"], d, runs, arrays) for d in digests]
            mean, sd = mean_sd(values)
            assert row[side] == pytest.approx(mean, rel=1e-5), row["id"]
            assert row["sd"][side] == (None if sd is None else pytest.approx(sd, rel=1e-3))
            assert row["seeds"][side] == len(values)


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: path.name)
def test_a_committed_page_asks_for_nothing_and_names_no_machine(folder: Path) -> None:
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "http://" not in page
    assert "https://" not in page
    for path in folder.glob("*.json"):
        assert "/home/" not in path.read_text(encoding="utf-8")


def test_a_metric_is_a_path_a_level_or_the_best_of_a_column() -> None:
    run = RunData(
        metrics={"mse": 0.5, "robustness": {"g": {"levels": [0.0, 0.45], "mse": [0.1, 0.3]}}},
        history=[{"validation_mse": "0.4"}, {"validation_mse": "0.2"}, {"validation_mse": "0.3"}],
        run={"data": {"twins": {"a": 7}}},
    )
    assert value(run, "mse") == 0.5
    assert value(run, "robustness.g.mse@0.45") == 0.3
    assert value(run, "history.validation_mse") == 0.2
    assert value(run, "run.data.twins.a") == 7


def test_the_spread_is_that_of_a_sample() -> None:
    assert mean_sd([1.0, 2.0, 3.0]) == (2.0, 1.0)
    assert mean_sd([4.0]) == (4.0, None)


def test_a_crossing_lies_between_two_points() -> None:
    x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 0.0, 4.0])
    assert crossing(x, y, 1.0) == pytest.approx(1.25)
    assert crossing(x, y, 5.0) is None


def _line(as_report: float, ours: float, budget: str = "full", **row: object) -> Line:
    sides = [Side(v, None, 1, budget, "cpu", "ae-run", ["d"], "6 of 50 epochs")
             for v in (as_report, ours)]  # fmt: skip
    base = {"id": "r", "label": "r", "report": 0.5, "metric": "mse"}
    return Line(Row.model_validate(base | row), *sides)


def test_aims_are_judged_in_the_row_s_own_direction() -> None:
    lower = _line(0.51, 0.4, within=0.03, aim=0.45)
    assert lower.within is True
    assert lower.reached is True
    higher = _line(0.52, 0.4, within=0.01, aim=0.45, unit="accuracy", better="higher")
    assert higher.within is False
    assert higher.reached is False
    assert _line(0.5, 0.5).reached is None


def test_a_missed_aim_is_explained() -> None:
    assert "budget is cut" in _line(0.9, 0.9, "quick", aim=0.1).note()
    assert "6 of 50 epochs" in _line(0.9, 0.9, "quick", aim=0.1).note()
    assert "too few fonts" in _line(0.9, 0.9, aim=0.1, missed="too few fonts").note()


def test_a_picture_keeps_its_colours_and_a_grey_one_has_one_channel() -> None:
    colours = np.arange(48 * 48 * 3, dtype=np.uint32).reshape(48, 48, 3) * 7 % 256
    for pixels, mode in ((colours, "RGB"), (np.repeat(colours[..., :1], 3, 2), "L")):
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG", dpi=(100, 100))
        with Image.open(io.BytesIO(_small(buffer))) as small:
            assert small.mode == mode
            assert np.array_equal(np.asarray(small.convert("RGB")), pixels)
