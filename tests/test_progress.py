"""What a long task says while it works."""

import re
import time
from pathlib import Path

import pytest
from command_line import FAST

from ae_run import progress
from ae_run.progress import Parts
from ae_run.run_folder import RunFolder


def test_a_part_that_takes_long_is_named_where_there_is_no_terminal(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "_SECONDS_OF_SILENCE", 0.05)
    with Parts(RunFolder(tmp_path), "evaluate", 2) as part:
        with part("t-SNE"):
            time.sleep(0.5)
        assert capsys.readouterr().out == "evaluate: t-SNE …\n"
        monkeypatch.setattr(progress, "_SECONDS_OF_SILENCE", 60)
        with part("codes"):
            pass
    assert capsys.readouterr().out == ""
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["evaluate: t-SNE", "evaluate: codes"]


def test_a_quiet_folder_stays_quiet(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "_SECONDS_OF_SILENCE", 0.01)
    with Parts(RunFolder(tmp_path, quiet=True), "evaluate", 1) as part, part("t-SNE"):
        time.sleep(0.2)
    assert capsys.readouterr().out == ""


def test_a_part_of_many_steps_has_a_bar_of_its_own_on_a_terminal_only(
    capsys, monkeypatch, tmp_path
):
    for terminal in (True, False):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        parts = Parts(RunFolder(tmp_path), "evaluate", 1)
        with parts as part, part("log p(x)"), part.bar_of(200, "images") as bar:
            bar.update(50)
            bar.refresh()
        shown = capsys.readouterr().err
        assert ("50/200" in shown) == terminal
        assert (" images" in shown) == terminal


@pytest.mark.parametrize(
    "options",
    [
        ["evaluate=quick"],
        ["evaluate=default", "evaluate.tsne=[2]", "model=vae", "corruption=gaussian"],
    ],
)
@pytest.mark.slow
def test_an_evaluation_has_as_many_parts_as_its_bar_expects(cli, monkeypatch, options):
    bars = []
    leave = Parts.__exit__
    monkeypatch.setattr(
        Parts, "__exit__", lambda self, *why: (bars.append(self.bar.total), leave(self, *why))[1]
    )
    result = cli(*FAST, *options, "data.limit=60", "run_dir=run")
    assert result.code == 0, result.err
    log = Path("run/log.txt").read_text()
    assert len(re.findall(r"^evaluate: .*, [\d.]+ s$", log, re.MULTILINE)) == bars[0]
    assert "figures: drawing, " in log
