"""Curves, crossings, aims, and the committed results recomputed from what lies beside them."""

import io
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import committed
import numpy as np
import pytest
from PIL import Image

from ae_run.drawing.run_data import RunData
from ae_run.reports._curves import crossing
from ae_run.reports.compare import MISSED, REACHED, UNFINISHED, Line, Side
from ae_run.reports.maker import _small
from ae_run.reports.metrics import mean, mean_sd, per_image, value
from ae_run.reports.spec import Row

_REFERENCE = Path(__file__).parents[2] / "outputs" / "reference"
COMMITTED = sorted(path.parent for path in _REFERENCE.glob("*/comparison.json"))


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: path.name)
def test_every_committed_row_follows_from_the_committed_arrays(folder: Path) -> None:
    committed.check(folder)


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda path: path.name)
def test_a_committed_page_asks_for_nothing_and_names_no_machine(folder: Path) -> None:
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "http://" not in page
    assert "https://" not in page
    for path in folder.glob("*.json"):
        assert "/home/" not in path.read_text(encoding="utf-8")


def test_the_reading_of_the_reports_quotes_committed_numbers() -> None:
    text = (_REFERENCE / "README.md").read_text(encoding="utf-8")
    parts = re.split(r"^\| \*\*\[(\w+)\]", text, flags=re.MULTILINE)
    assert sorted(parts[1::2]) == [folder.name for folder in COMMITTED]
    for report, rows in zip(parts[1::2], parts[2::2], strict=True):
        known = _committed_numbers(report)
        for row in rows.strip().splitlines():
            found = row.rstrip(" |").rpartition(" | ")[2]
            for number in re.findall(r"\d+\.\d{3,}|\d+\.\d+(?= dB| nats)", found):
                form = f".{len(number.partition('.')[2])}f"
                assert any(format(value, form) == number for value in known), (report, number)


def _committed_numbers(report: str) -> list[float]:
    """The scores of a report's runs; of several seeds their means and spreads."""
    runs = json.loads((_REFERENCE / report / "runs.json").read_text(encoding="utf-8"))
    seeds = defaultdict(list)
    for run in runs.values():
        seeds[run["name"], run["point"]].append([*_scores([run["history"], run["metrics"]])])
    found: list[float] = []
    for group in seeds.values():
        for scores in zip(*group, strict=True):
            found += [one for one in mean_sd(scores) if one is not None]
    return found


def _scores(content: Any) -> Iterator[float]:
    """Every number with a fraction; no PSNR, which the reading does not quote."""
    if isinstance(content, dict):
        content = [one for name, one in content.items() if "psnr" not in name]
    if isinstance(content, list):
        for one in content:
            yield from _scores(one)
    elif isinstance(content, float):
        yield content


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


def test_scores_per_image_give_their_metric() -> None:
    run = RunData(
        metrics={
            "robustness": {"g": {"levels": [0.0, 0.5]}},
            "probe": {"mlp": {"confusion": [[3, 1], [0, 4]]}},
        },
        arrays={
            "test_mse": np.array([0.1, 0.3]),
            "scores_snr_db": np.array([10.0, np.nan, 20.0]),
            "denoising_output_mse": np.array([0.5]),
            "robustness_g_mse": np.array([[0.1, 0.1], [0.2, 0.4]]),
        },
    )
    for metric, expected in {
        "mse": 0.2,
        "snr_db": 15.0,  # a blank image has no ratio
        "denoising.output.mse": 0.5,
        "robustness.g.mse@0.5": 0.3,
        "probe.mlp.accuracy": 7 / 8,
    }.items():
        scores = per_image(run, metric)
        assert scores is not None
        assert mean(scores) == pytest.approx(expected)
    assert per_image(run, "robustness.g.mse@0.7") is None
    assert per_image(run, "probe.mlp.loss") is None


def _side(value: float | str, budget: str = "full", **more: object) -> Side:
    return Side(value, None, 1, budget, (budget,), "cpu", "ae-run", ["d"], **more)


def _line(as_report: float | None, ours: float | str, budget: str = "full", **row: object) -> Line:
    base = {"id": "r", "label": "r", "report": 0.5, "metric": "mse"}
    side = None if as_report is None else _side(as_report, budget)
    return Line(Row.model_validate(base | row), side, _side(ours, budget, beside={"pca": 0.45}))


def test_aims_are_judged_in_the_row_s_own_direction() -> None:
    lower = _line(0.51, 0.4, within=0.03, aim=0.45)
    assert lower.within is True
    assert lower.reached is True
    assert lower.status == REACHED
    higher = _line(0.52, 0.4, within=0.01, aim=0.45, unit="accuracy", better="higher")
    assert higher.within is False
    assert higher.reached is False
    assert higher.status == MISSED
    assert _line(0.5, 0.5).reached is None
    assert _line(0.5, 0.5).status is None
    assert _line(None, "adam").reached is None


def test_ours_can_be_asked_to_beat_a_baseline() -> None:
    assert _line(0.5, 0.40, beats="pca").reached is True
    assert _line(0.5, 0.46, beats="pca").reached is False
    assert _line(0.5, 0.40, beats="pca", aim=0.3).reached is False


def test_only_full_runs_reach_or_miss_an_aim() -> None:
    assert _line(0.5, 0.1, "quick", aim=0.2).status == UNFINISHED
    assert _line(0.5, 0.3, "quick", aim=0.2).status == UNFINISHED
    assert _line(None, 0.1, aim=0.2, within=0.1).status == UNFINISHED


def test_a_missed_aim_is_explained_once_it_is_run_at_full() -> None:
    assert _line(0.9, 0.9, "quick", aim=0.1).note() == ""
    assert "not explained" in _line(0.9, 0.9, aim=0.1).note()
    assert "too few fonts" in _line(0.9, 0.9, aim=0.1, missed="too few fonts").note()
    assert "another split" in _line(0.9, 0.9, within=0.1, differs="another split").note()


def test_a_picture_keeps_its_colours_and_a_grey_one_has_one_channel() -> None:
    colours = np.arange(48 * 48 * 3, dtype=np.uint32).reshape(48, 48, 3) * 7 % 256
    for pixels, mode in ((colours, "RGB"), (np.repeat(colours[..., :1], 3, 2), "L")):
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG", dpi=(100, 100))
        with Image.open(io.BytesIO(_small(buffer))) as small:
            assert small.mode == mode
            assert np.array_equal(np.asarray(small.convert("RGB")), pixels)
