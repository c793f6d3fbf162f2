"""Training progress: a bar on a terminal, plain lines elsewhere, every line in log.txt."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from ae_run.run_folder import RunFolder

_SECONDS_BETWEEN_LINES = 2.0


class ProgressBar:
    """Counts the images of all epochs; shows the time left and each epoch's losses."""

    def __init__(self, folder: RunFolder, stage: str, images: int, done: int, epochs: int) -> None:
        """`images` per epoch; `done` of `epochs` are already finished."""
        self._folder = folder
        self._images = images
        self._epochs = epochs
        self._epoch = done
        self._terminal = sys.stderr.isatty() and not folder.quiet
        self._last_line = -_SECONDS_BETWEEN_LINES
        self._bar = tqdm(
            total=images * epochs,
            initial=images * done,
            unit="img",
            unit_scale=True,
            disable=not self._terminal,
            dynamic_ncols=True,
            desc=stage,
            smoothing=0.1,
        )

    def step(self, images: int) -> None:
        """Count a batch."""
        self._bar.update(images)

    def epoch(self, row: Mapping[str, Any], score: str) -> None:
        """Report a finished epoch; `score` is the column to show next to the loss."""
        self._epoch += 1
        shown = {k: row[k] for k in ("train_total", score) if row.get(k) is not None}
        values = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
        where = f"epoch {self._epoch}/{self._epochs}"
        speed = self._images / max(row["train_seconds"], 1e-9)
        line = f"{where}: {values}, lr {row['lr']:.2g}, {speed:,.0f} images/s"
        self._bar.set_postfix_str(f"{where}, {values}")
        now, last = time.monotonic(), self._epoch == self._epochs
        if not self._terminal and (last or now - self._last_line >= _SECONDS_BETWEEN_LINES):
            self._last_line = now
            self._folder.say(line)
        else:
            self._folder.log(line)

    def close(self) -> None:
        """Close the bar."""
        self._bar.close()
