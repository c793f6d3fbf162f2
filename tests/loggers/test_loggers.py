"""Loggers: every epoch once, whatever happens, and never at the expense of the run."""

import json
import re
import sys
from pathlib import Path

import pytest
from command_line import FAST

from ae_run.loggers import Loggers
from ae_run.run_folder import RunFolder

OWN = ("code=my_code",)
DOCS = Path(__file__).parents[2] / "docs" / "loggers.md"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of loggers of one's own; `jsonl` is that of the docs."""
    folder = tmp_path / "my_code" / "loggers"
    folder.mkdir(parents=True)
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(example.splitlines()) <= 32
    (folder / "jsonl.py").write_text(example, encoding="utf-8")
    return folder


def lines(folder: Path) -> list[dict]:
    text = (folder / "epochs.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("own")
def test_the_logger_of_the_docs_gets_each_epoch_once_also_when_resumed(cli):
    line = ("train.schedule=constant", "run_dir=run")
    assert cli(*FAST, *OWN, *line, "train.loggers=[jsonl]").code == 0
    found = lines(Path("run"))
    assert [row.get("epoch") for row in found] == [1, 2, None]
    assert found[0]["stage"] == "train"
    assert found[0]["validation_mse"] > 0
    metrics = json.loads(Path("run/metrics.json").read_text(encoding="utf-8"))
    assert found[2] == {"test_mse": metrics["mse"]}
    # The last epoch was saved, but the process was killed before it was logged.
    Path("run/epochs.jsonl").write_text(json.dumps(found[0]) + "\n", encoding="utf-8")
    again = cli("resume=run", *OWN, "train.epochs=3")
    assert again.code == 0, again.err
    found = lines(Path("run"))
    assert [row.get("epoch") for row in found] == [1, 2, 3, None]


@pytest.mark.usefixtures("own")
def test_a_logger_that_is_switched_on_later_gets_the_epochs_before(cli):
    assert cli(*FAST, "train.schedule=constant", "run_dir=run").code == 0
    result = cli("resume=run", "train.epochs=3", *OWN, "train.loggers=[jsonl]")
    assert result.code == 0, result.err
    assert [row.get("epoch") for row in lines(Path("run"))] == [1, 2, 3, None]


@pytest.mark.parametrize("broken", ["__init__", "epoch", "end", "close"])
def test_a_logger_that_fails_is_told_once_and_the_run_is_the_same(broken, own, cli):
    text = (own / "jsonl.py").read_text(encoding="utf-8")
    place = re.search(rf"    def {broken}\(.*\n", text)
    assert place
    failing = text[: place.end()] + "        raise OSError('no\\nspace')\n" + text[place.end() :]
    (own / "fails.py").write_text(failing, encoding="utf-8")
    assert cli(*FAST, "run_dir=plain").code == 0
    result = cli(*FAST, "run_dir=logged", *OWN, "train.loggers=[fails]")
    assert result.code == 0, result.err
    told = "warning: train.loggers: fails stopped, the run goes on: no space"
    assert result.out.count(told) == 1
    assert result.out.count("warning: train.loggers") == 1
    plain, logged = (Path(name, "model.safetensors").read_bytes() for name in ("plain", "logged"))
    assert plain == logged


def test_a_logger_that_fails_is_closed_and_called_no_more(tmp_path):
    calls = []

    class Fails:
        last = 0

        def __init__(self, folder):
            pass

        def epoch(self, row):
            calls.append(row["epoch"])
            raise OSError("no space")

        def close(self):
            calls.append("close")

    opened = Loggers({"fails": Fails}, RunFolder(tmp_path, quiet=True))
    opened.epoch({"epoch": 1})
    opened.epoch({"epoch": 2})
    opened.close()
    assert calls == [1, "close"]


def test_a_logger_that_is_not_there_or_not_one_is_refused_before_the_run(own, cli):
    result = cli(*FAST, "train.loggers=[tensorbord]", "run_dir=run")
    assert result.code == 2
    assert "train.loggers=[tensorbord]: no such logger; did you mean 'tensorboard'?" in result.err
    (own / "far.py").write_text("import no_such_package\n", encoding="utf-8")
    (own / "empty.py").write_text("", encoding="utf-8")
    for name, told in {"far": "No module named 'no_such_package'", "empty": "no Logger"}.items():
        result = cli(*FAST, *OWN, f"train.loggers=[{name}]", "run_dir=run")
        assert result.code == 2
        assert told in result.err
    assert not Path("run").exists()


def test_without_the_package_of_a_logger_the_line_names_the_extra(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "ae_run.loggers.tensorboard", raising=False)
    result = cli(*FAST, "train.loggers=[tensorboard]", "run_dir=run")
    assert result.code == 2
    assert "pip install 'ae-run[tensorboard]'" in result.err
    assert not Path("run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [["model=vae"], ["model=denoising", "train.replicas=2"]])
def test_tensorboard_has_scalars_images_and_codes_of_each_epoch_once(options, cli):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    line = ("train.schedule=constant", "train.loggers=[tensorboard]", "run_dir=run")
    assert cli(*FAST, *options, *line).code == 0
    if "train.replicas=2" not in options:
        assert cli("resume=run", "train.epochs=3").code == 0
    events = EventAccumulator("run/tensorboard")
    events.Reload()
    rows = Path("run/history.csv").read_text(encoding="utf-8").splitlines()
    scalars = events.Scalars("validation/mse")
    assert [event.step for event in scalars] == list(range(1, len(rows)))
    column = rows[0].split(",").index("validation_mse")
    assert [event.value for event in scalars] == pytest.approx(
        [float(row.split(",")[column]) for row in rows[1:]]
    )
    metrics = json.loads(Path("run/metrics.json").read_text(encoding="utf-8"))
    assert events.Scalars("test/mse")[-1].value == pytest.approx(metrics["mse"])
    assert events.Images("reconstructions")[-1].width == 10 * 28
    assert list(Path("run/tensorboard").glob("0000*/codes/sprite.png"))
