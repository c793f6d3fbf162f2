"""What a terminal, a pipe and log.txt show of training."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import FAST

from ae_run.run_folder import RunFolder
from ae_run.training.progress_bar import ProgressBar

COMMAND = [sys.executable, "-m", "ae_run", *FAST, "train.epochs=30", "run_dir=run"]


def on_terminal(columns: int) -> str:
    """All that a run prints on a terminal of that width, as it arrives."""
    main, side = pty.openpty()
    if columns:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(COMMAND, stdin=side, stdout=side, stderr=side)
    os.close(side)
    parts = []
    try:
        while part := os.read(main, 65536):
            parts.append(part)
    except OSError:  # the last writer has closed it
        pass
    os.close(main)
    assert process.wait() == 0
    return b"".join(parts).decode()


@pytest.mark.parametrize("columns", [80, 0])
@pytest.mark.slow
def test_a_terminal_shows_epoch_loss_and_validation_score_in_80_columns(columns):
    shown = re.split(r"[\r\n]+", on_terminal(columns))
    bars = [re.sub(r"\x1b\[\w+", "", line) for line in shown if line.startswith("train: ")]
    number = r"\d\S*"
    whole = rf"train: epoch \d+/30 · loss {number} · val mse {number} \|.+\| \d\d:\d\d<\S+\s*"
    assert any(re.fullmatch(whole, line) for line in bars)
    assert max(map(len, bars)) <= 80
    assert "epoch 30/30: " in "\n".join(shown)
    log = Path("run/log.txt").read_text()
    assert re.findall(r"^epoch (\d+)/30: ", log, re.MULTILINE) == [str(n) for n in range(1, 31)]


def test_the_last_epoch_is_printed_though_others_came_too_fast(capsys, tmp_path):
    bar = ProgressBar(RunFolder(tmp_path), "train", 10, 0, 9)
    row = {"train_total": 0.5, "validation_mse": 0.25, "lr": 0.1, "train_seconds": 1.0}
    for _ in range(3):
        bar.epoch(row, "validation_mse")
    bar.close()
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1/9", "epoch 3/9"]
    assert lines[0] == "epoch 1/9: loss 0.5, validation mse 0.25, lr 0.1, 10 images/s"
    assert len((tmp_path / "log.txt").read_text().splitlines()) == 3
