"""The program from Python: train, load, find, compare and search runs, and use their models.

Options are those of the command line, as text or as a mapping:

    run = ae_run.train("model=vae", "data=mnist", {"train.epochs": 5, "model.channels": [8, 16]})

Nothing is printed unless `verbose`. What cannot be done raises an error of `ae_run.errors`; the
process is left as it was (`process_state`).
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ae_run.api import _arrays, _commands
from ae_run.api.comparison import Comparison
from ae_run.api.run import Run
from ae_run.api.search import Search
from ae_run.comparison.runs import find

__all__ = ["Comparison", "Run", "Search", "compare", "load", "runs", "search", "train"]

Override = str | Mapping[str, Any]
"""`"train.epochs=5"`, or `{"train.epochs": 5}`."""


def train(
    *overrides: Override,
    images: _arrays.Array | None = None,
    labels: _arrays.Array | None = None,
    test_images: _arrays.Array | None = None,
    test_labels: _arrays.Array | None = None,
    verbose: bool = False,
) -> Run:
    """Train, evaluate, draw figures and write the page: what `ae-run` does.

    `ae_run.train("resume=RUN_DIR")` resumes a run.

    Args:
        overrides: as on the command line; paths are relative to the current folder.
        images: to train on in place of `data=…`: (N, H, W), (N, H, W, C) or (N, C, H, W), uint8
            or floats in [0, 1]. They are written to `outputs/arrays/`, where a resumed run finds
            them.
        labels: of the images, (N,); integers or text.
        test_images: to score on, like `images`; without them a part of the images is held out.
        test_labels: of the test images.
        verbose: print what the command line prints.

    Raises:
        UserError: the request is invalid.
        RunFailed: training failed; its finished epochs are kept.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    given = _arrays.saved(images, labels, test_images, test_labels)
    folder, code = _commands.execute("train", [*_commands.words(overrides), *given], verbose)
    return Run(folder, code)


def load(run_dir: str | os.PathLike[str], *overrides: Override) -> Run:
    """A run that was trained earlier.

    Args:
        run_dir: its folder.
        overrides: `device=…`, or `data.root=…` or `data.path=…` where its data has moved.

    Raises:
        UserError: not a run folder, or an override that a trained run cannot take.
    """
    return _commands.opened(str(Path(run_dir)), _commands.words(overrides))


def runs(folder: str | os.PathLike[str] = "outputs") -> list[Run]:
    """The runs below a folder, the oldest first.

    Of a search only the best run, trained again, is listed, not its trials. Folders that cannot
    be read are left out with a warning.

    Raises:
        UserError: no such folder, or it holds no run.
    """
    found = find([str(folder)])
    for one in found:
        if one.status == "broken":
            warnings.warn(f"left out: {one.reason}", stacklevel=2)
    return [Run(one.folder) for one in found if one.status != "broken"]


def compare(*runs: Run | str | os.PathLike[str], verbose: bool = False) -> Comparison:
    """Rank runs by their scores on test, and write a page: what `ae-run task=compare` does.

    Args:
        runs: runs, their folders, or patterns such as `outputs/digits-*`; none: all below
            `outputs/`.
        verbose: print the table.

    Raises:
        UserError: there is no such run.
    """
    paths = [str(one.path if isinstance(one, Run) else one) for one in runs]
    given = _commands.words([{"runs": paths}] if paths else [])
    folder, _ = _commands.execute("compare", given, verbose)
    return Comparison(folder)


def search(
    *overrides: Override,
    images: _arrays.Array | None = None,
    labels: _arrays.Array | None = None,
    test_images: _arrays.Array | None = None,
    test_labels: _arrays.Array | None = None,
    verbose: bool = False,
) -> Search:
    """Search for the best values, then train with them: what `ae-run task=search` does.

    The same call resumes a search that was stopped; the arguments are those of `train`.

    Raises:
        UserError: the request is invalid.
        RunFailed: no trial succeeded.
        KeyboardInterrupt: Ctrl-C; the search can be resumed.
    """
    given = _arrays.saved(images, labels, test_images, test_labels)
    plan, code = _commands.execute("search", [*_commands.words(overrides), *given], verbose)
    return Search(plan, code)
