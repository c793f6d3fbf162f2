"""Data sets: one file per source; `load` turns a source into three splits.

Contract of a source file: `Config`, a `DataConfig`, and `load(config) -> Source`. A source reads
or decodes its images as uint8 and knows its own test set; everything that all data sets share
(validation split, limit, twins, fingerprint) happens here. Nothing here imports torch, but for
`_batches`, which puts the images on a device.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ae_run import components
from ae_run.config import DataConfig


@dataclass(frozen=True)
class Source:
    """What a source file gives: uint8 images `(N, C, H, W)` and int64 labels `(N,)`."""

    images: np.ndarray
    """Of train and validation together."""
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    """A label is an index into them."""
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
    """The splits of a data set. The test split has one door, `open_test`, for evaluation."""

    train: Part
    validation: Part
    _test: Part = field(repr=False)
    class_names: tuple[str, ...]
    skipped: tuple[str, ...]
    twins: dict[str, int]
    """Exact duplicates across splits: how many images of a split have a twin in another."""
    fingerprint: str
    """Hex digest of all splits, in order."""

    def open_test(self) -> Part:
        """The test split; nothing that trains, tunes or selects may call this."""
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
        """What `run.json` tells of the data."""
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
        UserError: a file is missing or wrong; the message says where to get it.
    """
    from ae_run.data import _splits

    source: Source = components.module("data", config.name).load(config)
    return _splits.split(source, config)


def cache_dir() -> Path:
    """Where decoded arrays are kept: `$XDG_CACHE_HOME/ae-run`, else `~/.cache/ae-run`."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "ae-run"


def root_dir(root: str | None) -> Path:
    """Where source files are looked for: `data.root`, else `$AE_RUN_DATA`, else the cache."""
    chosen = root or os.environ.get("AE_RUN_DATA")
    return Path(chosen).expanduser() if chosen else cache_dir()
