"""The reports' files: they load, name runs and drawings that exist, and compose."""

from pathlib import Path

import pytest

from ae_run import components
from ae_run.errors import UserError
from ae_run.figures import available
from ae_run.reports import _classes, _curves, _grids, searches, spec
from ae_run.reports.plan import Planner
from ae_run.reports.results import tags

_DRAWINGS = {
    name.removeprefix("draw_")
    for module in (_curves, _grids, _classes)
    for name in dir(module)
    if name.startswith("draw_")
}
NUMBERS = {
    "compression": [str(n) for n in range(1, 9)],
    "notmnist": [str(n) for n in range(1, 14)],
    "generation": [str(n) for n in range(1, 8)],
    "zoo": ["reconstructions", "t-SNE", "classification", "manifold convergence"],
    "colored": [
        "1",
        "2",
        "loss curves",
        "t-SNE",
        "latent",
        "during training",
        "interpolation",
        "denoising",
    ],
}


class _WithoutData(Planner):
    def fingerprint(self, config: object) -> str:  # noqa: ARG002
        return "none"


@pytest.fixture(scope="module")
def planner() -> Planner:
    return _WithoutData()


def test_every_report_is_there() -> None:
    assert set(spec.names()) == set(NUMBERS)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_every_figure_of_the_report_has_a_drawing(name: str) -> None:
    report = spec.load(name)
    assert set(NUMBERS[name]) <= {figure.number for figure in report.figures}
    known = _DRAWINGS | {file.name for file in available()}
    assert {figure.draw for figure in report.figures} <= known


@pytest.mark.parametrize("name", sorted(NUMBERS))
@pytest.mark.slow
def test_every_run_composes_at_both_budgets(name: str, planner: Planner) -> None:
    report = spec.load(name)
    for run in report.runs:
        quick, full = (planner.runs(report, run, budget, 3) for budget in ("quick", "full"))
        assert len({planned.digest for planned in quick + full}) == len(quick) + len(full)
        assert bool(quick) == (report.runs[run].quick is not None)
        assert all(one.config.train.epochs <= full[0].config.train.epochs for one in quick)
    for search in report.searches:
        quick_search, full_search = (
            searches.plan(planner, report, search, budget, Path("x"))
            for budget in ("quick", "full")
        )
        assert quick_search.trials < full_search.trials
        assert quick_search.tags[0] == "quick"


_REPORT = """
title: x
author: y
about: z
shared:
  base: {args: data=digits train.epochs=4, quick: {train.epochs: 2}}
  full_only: {quick: null}
runs:
  first: {shared: [base], seeds: full}
  second: {shared: [base], args: train.lr=0.1, seed: 3, quick: first}
  third: {shared: [base, full_only], args: train.lr=0.2, init_from: first}
rows: [{id: a, label: a, report: 1, metric: mse, as_report: second, ours: third}]
figures: []
"""


def _report(tmp_path: Path, text: str = _REPORT) -> spec.Report:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return spec.read(path)


def test_shared_parts_stand_before_a_run_s_own(tmp_path: Path) -> None:
    report = _report(tmp_path)
    assert report.runs["second"].args == "data=digits train.epochs=4 train.lr=0.1"
    assert report.runs["first"].changes("quick") == {"train.epochs": 2}
    assert report.runs["first"].changes("full") == {}


def test_seeds_start_where_the_run_says_and_can_be_for_full_only(
    tmp_path: Path, planner: Planner
) -> None:
    report = _report(tmp_path)
    assert [one.seed for one in planner.runs(report, "first", "full", 2)] == [0, 1]
    assert [one.seed for one in planner.runs(report, "first", "quick", 2)] == [0]
    assert [one.seed for one in planner.runs(report, "second", "full", 2)] == [3]


def test_quick_takes_another_run_s_settings_or_none(tmp_path: Path, planner: Planner) -> None:
    report = _report(tmp_path)
    (first,) = planner.runs(report, "first", "quick", 1)
    (second,) = planner.runs(report, "second", "quick", 1)
    assert second.digest == first.digest
    assert second.keeps == {"mse", "baseline.pca.mse", "examples"}
    (full,) = planner.runs(report, "first", "full", 1)
    assert tags(second, full) == ("quick", "settings of ours", "2/4 epochs")
    assert planner.runs(report, "third", "quick", 1) == []


def test_a_run_s_digest_holds_the_run_that_it_starts_from(tmp_path: Path, planner: Planner) -> None:
    (third,) = planner.runs(_report(tmp_path), "third", "full", 1)
    assert third.init_from is not None
    assert third.init_from.name == "first"
    assert "weights" in third.init_from.keeps
    assert third.command.endswith(f"train.init_from=outputs/reports/runs/{third.init_from.digest}")
    others = (", init_from: first", ""), ("train.epochs=4", "train.epochs=5")
    for old, new in others:
        (other,) = planner.runs(_report(tmp_path, _REPORT.replace(old, new)), "third", "full", 1)
        assert other.digest != third.digest


def test_all_used_runs_are_used() -> None:
    for name in spec.names():
        report = spec.load(name)
        used = {run for figure in report.figures for run in figure.runs}
        used |= {run for row in report.rows for run in (row.as_report, row.ours) if run}
        used |= {run.init_from for run in report.runs.values() if run.init_from}
        assert used == {*report.runs, *report.searches}


def test_the_digest_ignores_what_is_off_and_where_the_data_lies(planner: Planner) -> None:
    report = spec.load("notmnist")
    (one,) = planner.runs(report, "ae", "quick", 1)
    other = spec.Report.model_validate(
        report.model_dump()
        | {
            "runs": {
                "ae": {
                    "args": report.runs["ae"].args + " data.root=x"
                    " train.threads=3 train.patience=null"
                    " data.binarize=none",
                    "quick": report.runs["ae"].quick,
                }
            },
            "rows": [],
            "figures": [],
            "searches": {},
        }
    )
    assert planner.runs(other, "ae", "quick", 1)[0].digest == one.digest


def test_a_key_added_since_is_in_the_digest_where_it_changes_results(planner: Planner) -> None:
    (one,) = planner.runs(spec.load("notmnist"), "ae", "quick", 1)
    for change in ({"data.binarize": "fixed"}, {"train.epochs": 3}):
        assert planner._digests(one.config.changed(change), None)[0] != one.digest
    vae = planner.config(("data=digits", "model=vae"))
    known = planner._digests(vae, None)
    assert planner._digests(vae.changed({"model.importance_samples": 1}), None) == known
    assert planner._digests(vae.changed({"model.importance_samples": 2}), None) != known


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a list", "not readable"),
        ("title: x", "Field required"),
        (_REPORT.replace("{shared: [base], s", "{shared: [bass], s"), "no shared block 'bass'"),
        (_REPORT.replace("quick: first", "quick: third"), "no run 'third' with a quick budget"),
        (_REPORT.replace("init_from: first", "init_from: third"), "no run 'third' above it"),
        (
            "title: x\nauthor: y\nabout: z\nruns: {}\nrows: []\nfigures: [{number: '1', "
            "caption: c, draw: samples, runs: [lost]}]",
            "there is no run 'lost'",
        ),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as error:
        spec.read(path)
    assert "\n" not in str(error.value)


def test_reports_are_no_config_group() -> None:
    assert "reports" not in components.groups()
