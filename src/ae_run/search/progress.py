"""The progress of a search: a bar on a terminal, a line per finished trial elsewhere."""

import sys
import time

from optuna.trial import TrialState
from tqdm import tqdm

from ae_run.run_folder import RunFolder
from ae_run.search.config import SearchConfig
from ae_run.search.ledger import Ledger

_SECONDS_BETWEEN_LINES = 2.0
_NAMES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


class SearchProgress:
    """Shows finished trials and the best score."""

    def __init__(self, folder: RunFolder, options: SearchConfig) -> None:
        self._folder = folder
        self._options = options
        self._terminal = sys.stderr.isatty() and not folder.quiet
        self._last = ("", -_SECONDS_BETWEEN_LINES)
        self._bar = tqdm(
            total=options.n_trials,
            unit="trial",
            disable=not self._terminal,
            dynamic_ncols=True,
            desc="search",
            smoothing=0,
        )
        self._known: int | None = None

    def show(self, ledger: Ledger) -> None:
        """Show how many trials are finished, if that has changed."""
        finished, total, counts = ledger.finished, ledger.total, ledger.counts
        counted = ", ".join(f"{counts[s]} {name}" for s, name in _NAMES.items() if counts[s])
        top = ledger.best
        if top is not None:
            counted += f", best {top.values[0]:.5g} (trial {top.number})"
        line = f"{finished}/{total}: {counted}"
        if self._known is None:  # earlier sessions say nothing about the speed
            self._known = finished
            self._bar.initial = finished
        self._bar.total, self._bar.n = total, finished
        self._bar.set_postfix_str(counted)
        text, when = self._last
        now, last = time.monotonic(), finished == total
        if finished == 0 or line == text:
            return
        if self._terminal:
            self._folder.log(line)
        elif last or now - when >= _SECONDS_BETWEEN_LINES:
            self._folder.say(line)
        else:
            return
        self._last = (line, now)

    def close(self) -> None:
        """Restore the terminal."""
        self._bar.close()
