"""Your own images: a folder with one sub-folder per class, in any format that Pillow reads."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ae_run.data import Source, _arrays, _cache, _images
from ae_run.errors import UserError

_VERSION = 1


class Config(_arrays.HeldOutConfig):
    """Options of `data=folder`."""

    path: str | None
    size: Annotated[int, Field(ge=_arrays.SMALLEST, le=512)] | None
    fit: Literal["crop", "pad", "stretch"]
    channels: Literal[1, 3]


def load(config: Config) -> Source:
    """Images `(N, C, H, W)`; the classes are the sub-folders, sorted by name.

    Sub-folders `train` and `test`, each with one sub-folder per class, are used as the splits.

    Raises:
        UserError: the folder is missing or has no images, or sizes differ and `size` is null.
    """
    if config.path is None:
        raise UserError("data.path=null: must name your folder of images: data.path=FOLDER")
    root = Path(config.path).expanduser()
    if root.is_file():
        raise UserError(f"data.path={root}: is a file; data=npz and data=idx read files")
    if not root.is_dir():
        raise UserError(f"data.path={root}: no such folder")
    split = (root / "train").is_dir() and (root / "test").is_dir()
    sides = [_files(root / "train"), _files(root / "test")] if split else [_files(root)]
    options = (config.size, config.fit, config.channels)
    parts = [_load_side(files, options) for files in sides]
    raws = [part[0] for part in parts]
    skipped = tuple(str(Path(name).relative_to(root)) for part in parts for name in part[1])
    return _arrays.source(raws[0], raws[1] if split else None, config, skipped)


def _files(root: Path) -> tuple[Path, list[Path]]:
    """The folder, and all files in its sub-folders, sorted, without hidden ones."""
    found = []
    try:
        classes = [entry for entry in root.iterdir() if entry.is_dir() and entry.name[0] != "."]
    except OSError as error:
        raise UserError(f"data.path={root}: cannot be read: {error.strerror}") from None
    for folder, subfolders, names in (walk for entry in classes for walk in os.walk(entry)):
        subfolders[:] = [name for name in subfolders if name[0] != "."]
        found += [Path(folder, name) for name in names if name[0] != "."]
    found = [path for path in found if path.is_file()]  # a link may be broken
    if not found:
        raise UserError(
            f"data.path={root}: has no sub-folder with images; must have one per class (without "
            "classes, one with all images)"
        )
    return root, sorted(found)


def _load_side(
    files: tuple[Path, list[Path]], options: tuple[int | None, str, int]
) -> tuple[_arrays.Raw, list[str]]:
    """The images and labels of a folder of classes, and the names of unreadable files."""
    root, paths = files
    # Names, sizes and times stand for the contents, which would take long to read.
    stats = [(str(path), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in paths]
    key = _cache.digest([], stats, options)
    arrays = _cache.decoded("folder", _VERSION, key, lambda: _decode(root, paths, *options))
    raw = _arrays.Raw(arrays["images"], str(root), arrays["labels"], str(root))
    return raw, [str(name) for name in arrays["skipped"]]


def _decode(
    root: Path, paths: Sequence[Path], size: int | None, fit: str, channels: int
) -> _cache.Arrays:
    images: list[np.ndarray] = []
    labels, skipped = [], []
    for path in paths:
        image = _images.read(path, size, fit, channels)
        if image is None:
            skipped.append(str(path))
            continue
        if images and image.shape != images[0].shape:
            raise UserError(
                f"{path}: is {_arrays.shape_text(image[0])} pixels, the images before it "
                f"{_arrays.shape_text(images[0][0])}; must be equal: set data.size to resize them"
            )
        images.append(image)
        labels.append(path.relative_to(root).parts[0])
    if not images:
        raise UserError(f"data.path={root}: none of its {len(paths)} files is a readable image")
    return {
        "images": np.stack(images),
        "labels": np.array(labels, np.str_),
        "skipped": np.array(skipped, np.str_),
    }
