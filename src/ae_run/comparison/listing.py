"""`task=list`: one line per run, the latest last."""

import os
import time
from pathlib import Path

from ae_run import console, headline
from ae_run.comparison import runs
from ae_run.comparison.runs import FoundRun
from ae_run.drawing import words
from ae_run.job import Job

_AGES = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_STYLES = {"failed": "red", "broken": "red", "interrupted": "yellow"}


def show(job: Job) -> None:
    """Print status, age, data and model, leading score, size, folder, name and tags of each run.

    Raises:
        UserError: there is no run.
    """
    found = runs.find(job.config.runs)
    rows = [_row(run) for run in found]
    header = ("status", "age", "data-model", "score", "size", "folder")
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header) - 1)]
    print(_line(header, widths))
    for run, row in zip(found, rows, strict=True):
        line = _line(row, widths)
        if style := _STYLES.get(run.status):
            line = console.styled(row[0], style) + line[len(row[0]) :]
        print(line)
        for text in _notes(run):
            print(f"  {text}")
    total = words.file_size(sum(map(size_of, (run.folder.path for run in found))))
    print(f"\n{len(found)} run{'s' * (len(found) > 1)}, {total}")


def _row(run: FoundRun) -> tuple[str, ...]:
    score = "-"
    if run.is_scored:
        lead = headline.lead([run.metrics])
        score = f"{lead.key} {lead.score(run.metrics, run.replicas):.4g}"
    label = run.label if run.config else "-"
    size = words.file_size(size_of(run.folder.path))
    return run.status, age(run.started()), label, score, size, str(run.folder.path)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    """Columns, those of numbers to the right; the folder is the last one and as long as it is."""
    padded = [
        f"{cell:>{width}}" if i in (1, 4) else f"{cell:<{width}}"
        for i, (cell, width) in enumerate(zip(cells, widths, strict=False))
    ]
    return "  ".join([*padded, cells[-1]])


def _notes(run: FoundRun) -> list[str]:
    named = [f"name: {run.name}"] if run.config.get("name") else []
    tagged = [f"tags: {', '.join(run.tags)}"] if run.tags else []
    about = "; ".join([*named, *tagged])
    return [text for text in (about, run.reason) if text]


def age(started: float) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max(0, round(time.time() - started))
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return "0 s"


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files below a folder."""
    if not path.is_dir():
        return _size_of_file(path)
    return sum(
        _size_of_file(Path(root) / name) for root, _, names in os.walk(path) for name in names
    )


def _size_of_file(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:  # a temporary file of a run that is running
        return 0
