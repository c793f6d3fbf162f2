"""Data sets: one file per source; `load` turns a source into three splits.

A source file defines `Config`, a `DataConfig`, and `load(config) -> Source`. It decodes its images
as uint8 and provides the test set; what all data sets share (validation split, limit, duplicates,
fingerprint) happens here. Nothing here imports torch, except `_batches`, which puts the images on
a device.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ae_run import components
from ae_run.config import DataConfig


@dataclass(frozen=True)
class Source:
    """A data set before it is split: uint8 images `(N, C, H, W)` and int64 labels `(N,)`."""

    images: np.ndarray
    """Of train and validation together."""
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    """Indexed by label."""
    skipped: tuple[str, ...] = ()
    """Files that could not be read."""


@dataclass(frozen=True)
class Part:
    """One split: uint8 images `(N, C, H, W)` and int64 labels `(N,)`."""

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Dataset:
    """The splits of a data set. Only evaluation may read the test split, by `open_test`."""

    train: Part
    validation: Part
    _test: Part = field(repr=False)
    class_names: tuple[str, ...]
    skipped: tuple[str, ...]
    twins: dict[str, int]
    """Exact duplicates across splits: how many images of one split also occur in another."""
    fingerprint: str
    """Hex digest of all splits, in order."""

    def open_test(self) -> Part:
        """The test split; never to be called by code that trains, tunes or selects."""
        return self._test

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        c, h, w = self.train.images.shape[1:]
        return c, h, w

    @property
    def mean_pixel(self) -> float:
        """Mean of all training pixels, in [0, 1]."""
        return float(self.train.images.mean() / 255)

    def summary(self) -> dict[str, object]:
        """The description of the data in `run.json`."""
        sizes = {"train": len(self.train), "validation": len(self.validation)}
        return {
            "images": sum(sizes.values()) + len(self._test),
            **sizes,
            "test": len(self._test),
            "image_shape": list(self.image_shape),
            "skipped": list(self.skipped),
            "twins": self.twins,
            "fingerprint": self.fingerprint,
        }


def load(config: DataConfig) -> Dataset:
    """Load a data set and split it.

    Raises:
        UserError: a file is missing or invalid; the message says where to get it.
    """
    from ae_run.data import _splits

    source: Source = components.module("data", config.name).load(config)
    return _splits.split(source, config)


def cache_dir() -> Path:
    """The folder of decoded arrays: `$XDG_CACHE_HOME/ae-run`, else `~/.cache/ae-run`."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "ae-run"


def root_dir(root: str | None) -> Path:
    """The folder of source files: `data.root`, else `$AE_RUN_DATA`, else the cache."""
    chosen = root or os.environ.get("AE_RUN_DATA")
    return Path(chosen).expanduser() if chosen else cache_dir()
