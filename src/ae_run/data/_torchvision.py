"""The data sets that torchvision lists in MNIST's format: 60,000 + 10,000 images of 28×28.

torchvision names their mirrors and md5 sums, so that both stay current; its own layout of files
is used. It is imported only to download or check files, since importing it takes seconds.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ae_run.data import Source, _cache, _download, _files, _idx
from ae_run.schema import DownloadConfig

_VERSION = 1
_FILES = tuple(
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)


def load(
    kind: str,
    config: DownloadConfig,
    class_names: tuple[str, ...],
    hashes: Mapping[str, str] | None = None,
) -> Source:
    """Images and labels of one of torchvision's classes, `(N, 1, 28, 28)`, official test set.

    Args:
        kind: the name of the class; its files lie in `<root>/<kind>/raw/`, gzipped or not.
        config: the root, and whether and from where to download.
        class_names: in the order of the labels.
        hashes: of the gzipped files, by name; torchvision's md5 sums if None.

    Raises:
        UserError: files are missing or not the published ones.
    """
    folder = f"{kind}/raw"
    files = _find(folder, config, ".gz") or _find(folder, config, "")
    if files is None:
        known, mirrors = hashes or _md5_sums(kind), _dataset(kind).mirrors
        files = _download.obtain_set(folder, known, config, mirrors)
    key = _cache.digest(files)
    arrays = _cache.decoded(kind.lower(), _VERSION, key, lambda _: _decode(kind, files, hashes))
    return _cache.to_source(arrays, class_names)


def _find(folder: str, config: DownloadConfig, suffix: str) -> list[Path] | None:
    """All four files, or None if one is missing."""
    paths = [_files.find(f"{folder}/{name}{suffix}", config.root) for name in _FILES]
    return [path for path in paths if path] if all(paths) else None


def _dataset(kind: str) -> Any:
    import torchvision.datasets

    return getattr(torchvision.datasets, kind)


def _md5_sums(kind: str) -> dict[str, str]:
    """The hashes that torchvision knows, by file name."""
    md5_sums = dict(_dataset(kind).resources)
    return {f"{name}.gz": f"md5:{md5_sums[f'{name}.gz']}" for name in _FILES}


def _decode(kind: str, files: list[Path], hashes: Mapping[str, str] | None) -> _cache.Arrays:
    _download.verify(files, hashes or _md5_sums(kind))
    return _idx.decode_set(files)
