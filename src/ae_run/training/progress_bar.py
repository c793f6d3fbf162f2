"""Training progress: a bar on a terminal, plain lines elsewhere, every line in log.txt."""

import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from ae_run import console
from ae_run.progress import ROWS, terminal_columns
from ae_run.run_folder import RunFolder

_SECONDS_BETWEEN_LINES = 2.0


class ProgressBar:
    """Counts epochs; knows the time left, and the losses epoch by epoch."""

    def __init__(self, folder: RunFolder, stage: str, images: int, done: int, epochs: int) -> None:
        """`images` per epoch; `done` of `epochs` are already finished."""
        self._folder = folder
        self._stage = stage
        self._images = images
        self._epochs = epochs
        self._epoch = done
        self._terminal = sys.stderr.isatty() and not folder.quiet
        self._last_line = -_SECONDS_BETWEEN_LINES
        self._unsaid: str | None = None
        """The last epoch's line, where only the log has it."""
        self._bar = tqdm(
            total=epochs,
            initial=done,
            disable=not self._terminal,
            ncols=terminal_columns(),
            nrows=ROWS,
            bar_format="{desc} |{bar}| {elapsed}<{remaining}",
            desc=self._where(),
            leave=False,
            smoothing=0.1,
        )

    def step(self, images: int) -> None:
        """A batch was asked for."""
        self._bar.update(images / self._images)

    def epoch(self, row: Mapping[str, Any], score: str) -> None:
        """Report a finished epoch; `score` is the column to show next to the loss."""
        self._epoch += 1
        values = [f"loss {row['train_total']:.4g}"]
        if row.get(score) is not None:
            values.append(f"{score.replace('_', ' ')} {row[score]:.4g}")
        speed = self._images / max(row["train_seconds"], 1e-9)
        self._show(" · ".join(values).replace("validation", "val"))
        line = f"epoch {self._epoch}/{self._epochs}: {', '.join(values)}, "
        line += f"lr {row['lr']:.2g}, {speed:,.0f} images/s"
        now = time.monotonic()
        if self._terminal or now - self._last_line < _SECONDS_BETWEEN_LINES:
            self._folder.log(line)
            self._unsaid = line
        else:
            self._last_line, self._unsaid = now, None
            self._folder.say(line)

    def close(self) -> None:
        """Take the bar away, and print the last epoch's line where that was not printed yet."""
        self._bar.close()
        if self._unsaid is not None and not self._folder.quiet and not console.verbose:
            tqdm.write(self._unsaid, file=sys.stdout)
            sys.stdout.flush()
        self._unsaid = None

    def _where(self) -> str:
        return f"{self._stage}: epoch {self._epoch}/{self._epochs}"

    def _show(self, values: str) -> None:
        self._bar.ncols = terminal_columns()
        # The shares of an epoch that steps count add up to a whole one, except for rounding.
        self._bar.n = self._epoch
        self._bar.set_description_str(f"{self._where()} · {values}")
