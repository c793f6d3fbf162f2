"""Runs and searches of the reports as one small file, to resume from on another machine.

`tar xf STATE.tar` in the folder there, and the same command resumes: finished runs and searches
are reused, unfinished ones resumed.
"""

import io
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ae_run.atomic import write_bytes
from ae_run.errors import UserError
from ae_run.reports import searches
from ae_run.reports.maker import Maker
from ae_run.reports.spec import Report

LIMIT = 16 << 20
"""Bytes that the file stays under."""
_BLOCK = tarfile.BLOCKSIZE
_END = tarfile.RECORDSIZE  # a tar file ends with empty blocks, up to a whole record


def pack(maker: Maker, reports: Sequence[Report], target: Path, limit: int = LIMIT) -> list[Path]:
    """Write the runs and searches behind the reports at the maker's budget to a tar file.

    Finished runs come first, then searches, then unfinished runs, smallest first.

    Returns:
        The folders that the limit left no room for, to be done again there.

    Raises:
        UserError: the file cannot be written.
    """
    buffer, left_out = io.BytesIO(), []
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for paths in _pieces(maker, reports):
            needed = sum(_BLOCK + _whole_blocks(path.stat().st_size) for path in paths)
            if buffer.tell() + needed + _END > limit:
                left_out.append(paths[0].parent)
                continue
            for path in paths:
                tar.add(path, recursive=False)
    try:
        write_bytes(target, buffer.getvalue())
    except OSError as error:
        raise UserError(f"--pack {target}: cannot be written: {error.strerror}") from None
    return left_out


def _pieces(maker: Maker, reports: Sequence[Report]) -> Iterable[list[Path]]:
    """The files of each run and each search; all of a piece are packed, or none."""
    finished: dict[Path, list[Path]] = {}
    unfinished: dict[Path, list[Path]] = {}
    for report in reports:
        for name in maker.needed(report):
            for run in maker.planner.runs(report, name, maker.budget, maker.seeds):
                path = maker.store.path(run.digest)
                files = _files(path)
                if files:
                    (finished if maker.store.has(run) else unfinished)[path] = files
    yield from finished.values()
    for report in reports:
        for name in report.searches:
            root = maker.store.root
            planned = searches.plan(maker.planner, report, name, maker.budget, root)
            result = searches.result_path(planned, root)
            files = [result] if result.is_file() else _files(searches.study_path(planned))
            if files:
                yield files
    yield from sorted(unfinished.values(), key=lambda files: sum(f.stat().st_size for f in files))


def _files(folder: Path) -> list[Path]:
    """The files in a folder, except those in folders of their own, and locks."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.endswith("lock"))


def _whole_blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
