"""The data sets that torchvision knows in MNIST's format: 60,000 + 10,000 images of 28×28.

torchvision names the mirrors and digests, checks the files and unpacks them, in a scratch
folder of ours, for the root may be read-only. Once decoded, nothing here imports it.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ae_run.config import DownloadConfig
from ae_run.data import Source, _cache, _download, _files, cache_dir
from ae_run.errors import UserError

_VERSION = 1
_FILES = tuple(
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)


def load(kind: str, config: DownloadConfig, class_names: tuple[str, ...]) -> Source:
    """Images and labels of one of torchvision's classes, `(N, 1, 28, 28)`, official test set.

    Args:
        kind: the name of the class; its files lie in `<root>/<kind>/raw/`, gzipped or not.
        config: the root, and whether and from where to download.
        class_names: in the order of the labels.

    Raises:
        UserError: files are missing or not the published ones.
    """
    folder = f"{kind}/raw"
    found = _find(folder, config, ".gz") or _find(folder, config, "")
    files = found or _fetch(kind, folder, config)
    key = _cache.digest(files)
    arrays = _cache.decoded(kind.lower(), _VERSION, key, lambda: _decode(kind, files))
    return _cache.to_source(arrays, class_names)


def _find(folder: str, config: DownloadConfig, suffix: str) -> list[Path] | None:
    """All four files, or None if one is missing."""
    paths = [_files.find(f"{folder}/{name}{suffix}", config.root) for name in _FILES]
    return [path for path in paths if path] if all(paths) else None


def _dataset(kind: str) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, kind)


def _fetch(kind: str, folder: str, config: DownloadConfig) -> list[Path]:
    dataset = _dataset(kind)
    return _download.obtain_set(folder, dict(dataset.resources), config, dataset.mirrors)


def _decode(kind: str, files: list[Path]) -> _cache.Arrays:
    """Let torchvision check, unpack and read the files."""
    dataset = _dataset(kind)
    digests = dict(dataset.resources)
    for path in files:
        if path.name in digests:  # before torchvision looks: it would download what is wrong
            _download.verify(path, digests[path.name])
    base = cache_dir() if _files.writable(cache_dir()) else None
    try:
        with tempfile.TemporaryDirectory(prefix="scratch-", dir=base) as scratch:
            raw = Path(scratch) / kind / "raw"
            raw.mkdir(parents=True)
            for path in files:
                _link(path, raw / path.name)
            train = dataset(scratch, train=True, download=True)
            test = dataset(scratch, train=False, download=True)
    except (OSError, EOFError, RuntimeError, ValueError, AssertionError) as error:
        raise UserError(
            f"{files[0].parent}: torchvision cannot read the files: {error}; delete them to have "
            "them downloaded again"
        ) from None
    return {
        "images": np.asarray(train.data)[:, None],
        "labels": np.asarray(train.targets, np.int64),
        "test_images": np.asarray(test.data)[:, None],
        "test_labels": np.asarray(test.targets, np.int64),
    }


def _link(path: Path, to: Path) -> None:
    try:
        to.symlink_to(path.resolve())
    except OSError:  # Windows asks for a privilege
        shutil.copyfile(path, to)
