"""The progress of a search: a bar on a terminal, a line per finished trial elsewhere."""

import sys
import time
from collections import Counter

from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from ae_run.run_folder import RunFolder
from ae_run.search.config import SearchConfig

_SECONDS_BETWEEN_LINES = 2.0


def best(trials: list[FrozenTrial], options: SearchConfig) -> FrozenTrial | None:
    """The complete trial with the best first objective."""
    done = [t for t in trials if t.state == TrialState.COMPLETE]
    sign = 1 if options.direction == "minimize" else -1
    return min(done, key=lambda t: (sign * t.values[0], t.number), default=None)


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

    def show(self, trials: list[FrozenTrial]) -> None:
        """Show how many trials are finished, if that has changed."""
        counts = Counter(t.state.name.lower() for t in trials)
        finished = sum(t.state.is_finished() for t in trials)
        names = {"complete": "complete", "pruned": "pruned", "fail": "failed"}
        counted = ", ".join(f"{counts[s]} {name}" for s, name in names.items() if counts[s])
        top = best(trials, self._options)
        if top is not None:
            counted += f", best {top.values[0]:.5g} (trial {top.number})"
        line = f"{finished}/{len(trials)}: {counted}"
        if self._known is None:  # earlier sessions say nothing about the speed
            self._known = finished
            self._bar.initial = finished
        self._bar.total, self._bar.n = len(trials), finished
        self._bar.set_postfix_str(counted)
        text, when = self._last
        now, last = time.monotonic(), finished == len(trials)
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
