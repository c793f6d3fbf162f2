"""How a task that did not end well is explained."""

from pathlib import Path

import pytest

from ae_run.errors import Interrupted, RunFailed
from ae_run.recording import Phases, recorded
from ae_run.run_folder import RunFolder


def stopped(epochs: int) -> str:
    """The message of a run that is stopped after so many epochs."""
    folder = RunFolder.create("a b", "")
    folder.write_json("run.json", {"command": "ae-run 'data.path=my images' run_dir='a b'"})
    folder.write_yaml("config.yaml", {})
    if epochs:
        folder.write_csv("history.csv", [{"epoch": n} for n in range(epochs)])
    with pytest.raises(Interrupted) as end, recorded(folder, Phases()):
        raise Interrupted("stopped in epoch 1", 2)
    assert Path("a b/report.html").exists()
    return str(end.value)


def test_without_a_finished_epoch_a_fresh_start_is_offered():
    assert stopped(0) == (
        "stopped in epoch 1; 0 finished epochs saved; "
        "start again with: ae-run 'data.path=my images'"
    )


def test_after_a_finished_epoch_the_run_is_resumed():
    assert stopped(2).endswith("2 finished epochs saved; resume with: ae-run resume='a b'")


@pytest.mark.parametrize("name", ["run.json", "history.csv"])
@pytest.mark.parametrize("error", [Interrupted("stopped in epoch 1", 2), RunFailed("loss is nan")])
def test_a_file_that_is_damaged_during_a_run_does_not_hide_why_it_ended(name, error):
    folder = RunFolder.create("run", "")
    folder.write_json("run.json", {"command": "ae-run"})

    def run() -> None:
        with recorded(folder, Phases()):
            folder.file(name).write_bytes(b"\xff{")
            raise error

    with pytest.raises(type(error), match=str(error)):
        run()
    assert folder.file(name).read_bytes() == b"\xff{"  # for whoever wants to mend it
