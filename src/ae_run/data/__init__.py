"""Data sets: one file per source; `load` turns a source into three splits.

A source file defines `Config`, a `DataConfig`, and `load(config) -> Source`. It decodes its images
as uint8 and provides the test set; what all data sets share (validation split, limit, duplicates,
fingerprint) happens here. Nothing here imports torch.
"""

import os
from pathlib import Path

import platformdirs

from ae_run import components, processes
from ae_run.data._mapped import Images
from ae_run.data._types import Dataset, Part, Source
from ae_run.schema import DataConfig

__all__ = ["Dataset", "Images", "Part", "Source", "cache_dir", "load", "root_dir"]


def load(config: DataConfig) -> Dataset:
    """Load a data set and split it.

    Raises:
        UserError: a file is missing or invalid; the message says where to get it.
    """
    from ae_run.data import _splits

    source: Source = components.module("data", config.name).load(config)
    return _splits.split(source, config)


def cache_dir() -> Path:
    r"""The folder of downloads and decoded arrays.

    `$XDG_CACHE_HOME/ae-run`, else `~/.cache/ae-run` if it exists, else the system's own:
    `~/.cache/ae-run`, on macOS `~/Library/Caches/ae-run`, on Windows
    `%LOCALAPPDATA%\ae-run\Cache`. A user without a home folder, as in many containers, gets one
    that never exists.
    """
    if base := os.environ.get("XDG_CACHE_HOME"):
        return processes.expanded(base) / "ae-run"
    try:
        old = Path.home() / ".cache/ae-run"
    except RuntimeError:
        return Path(os.devnull) / "ae-run"
    if old.is_dir():
        return old
    return platformdirs.PlatformDirs("ae-run", appauthor=False).user_cache_path


def root_dir(root: str | None) -> Path:
    """The folder of source files: `data.root`, else `$AE_RUN_DATA`, else the cache."""
    chosen = root or os.environ.get("AE_RUN_DATA")
    return processes.expanded(chosen) if chosen else cache_dir()
