"""Your own images: a folder with one sub-folder per class, in any format that Pillow reads."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ae_run import processes
from ae_run.data import Source, _arrays, _cache, _files, _images
from ae_run.errors import UserError

_VERSION = 2
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
"""How pictures are named that somebody forgot to sort into a class."""
_SAVE_EVERY = 4096  # images, after which an interrupted decoding resumes


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
    root = processes.expanded(config.path)
    if root.is_file():
        raise UserError(f"data.path={root}: is a file; data=npz and data=idx read files")
    if not root.is_dir():
        raise UserError(f"data.path={root}: no such folder")
    split = (root / "train").is_dir() and (root / "test").is_dir()
    sides = [_listed(root / name) for name in (("train", "test") if split else ("",))]
    options = (config.size, config.fit, config.channels)
    parts = [_load_side(side, options) for side in sides]
    raws = [part[0] for part in parts]
    prefixes = [f"{side.root.relative_to(root)}/" if split else "" for side in sides]
    skipped = tuple(
        prefix + _files.text(side.names[place])
        for prefix, side, part in zip(prefixes, sides, parts, strict=True)
        for place in part[1].tolist()
    )
    skipped += tuple(
        f"{prefix}{_files.text(name)} (in no class folder)"
        for prefix, side in zip(prefixes, sides, strict=True)
        for name in side.loose
    )
    return _arrays.source(raws[0], raws[1] if split else None, config, skipped)


@dataclass(frozen=True)
class _Side:
    """The files of a folder of classes."""

    root: Path
    names: list[str]
    """Paths below the root, sorted part by part."""
    digest: str
    """Of names, sizes and times: they stand for the contents, which would take long to read."""
    loose: list[str]
    """Pictures beside the sub-folders, which belong to no class."""


def _listed(root: Path) -> _Side:
    """All files in the sub-folders of a folder, without hidden ones."""
    names, loose, digest = [], [], hashlib.sha256(os.fsencode(root))
    start = len(str(root).rstrip(os.sep) + os.sep)  # relpath would take seconds per million
    try:
        for folder in _visible(root):
            if not folder.is_dir():
                loose += [folder.name] if folder.name.lower().endswith(_PICTURES) else []
                continue
            for entry in _walk(folder):
                stat = entry.stat()
                names.append(entry.path[start:])
                digest.update(os.fsencode(entry.path))
                digest.update(f"\0{stat.st_size} {stat.st_mtime_ns}\0".encode())
    except OSError as error:
        raise UserError(f"data.path={root}: cannot be read: {error.strerror}") from None
    if not names:
        raise UserError(
            f"data.path={root}: has no sub-folder with images; must have one per class (without "
            "classes, one with all images)"
        )
    return _Side(root, names, digest.hexdigest(), loose)


def _walk(folder: "os.DirEntry[str]") -> Iterator["os.DirEntry[str]"]:
    """The files below a folder; links to folders are not followed, broken ones are left out."""
    for entry in _visible(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry)
        elif entry.is_file():
            yield entry


def _visible(folder: "Path | os.DirEntry[str]") -> list["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        visible = [entry for entry in entries if entry.name[0] != "."]
    return sorted(visible, key=lambda entry: os.path.normcase(entry.name))


def _load_side(side: _Side, options: tuple[int | None, str, int]) -> tuple[_arrays.Raw, np.ndarray]:
    """The images and labels of a folder of classes, and the places of unreadable files."""
    key = _cache.digest([], side.digest, options)
    arrays = _cache.decoded("folder", _VERSION, key, partial(_decode, side, *options))
    classes = [name.partition(os.sep)[0] for name in side.names]
    labels = np.delete(np.array(classes), arrays["skipped"])
    raw = _arrays.Raw(arrays["images"], str(side.root), labels, str(side.root))
    return raw, arrays["skipped"]


def _decode(
    side: _Side, size: int | None, fit: str, channels: int, sink: _cache.Sink
) -> _cache.Arrays:
    """Decode all files, or those that an interrupted decoding has left."""
    skipped: list[int] = sink.state.get("skipped", [])
    shape: list[int] | None = sink.state.get("shape")
    done: int = sink.state.get("done", 0)
    block: list[np.ndarray] = []
    read = partial(_read, root=str(side.root), size=size, fit=fit, channels=channels)
    for place, image in enumerate(_images.decode_all(read, side.names, done), done):
        if image is None:
            skipped.append(place)
        else:
            if shape is None:
                shape = list(image.shape)
                sink.expect(str(side.root), image.nbytes * (len(side.names) - place))
            if list(image.shape) != shape:
                name = _files.text(str(side.root / side.names[place]))
                raise UserError(
                    f"{name}: is {_arrays.shape_text(image[0])} pixels, the images before it "
                    f"{shape[1]}×{shape[2]}; must be equal: set data.size to resize them"
                )
            block.append(image)
        if len(block) == _SAVE_EVERY:
            sink.append("images", np.stack(block))
            sink.save({"skipped": skipped, "shape": shape, "done": place + 1})
            block.clear()
    if shape is None:
        raise UserError(
            f"data.path={side.root}: none of its {len(side.names)} files is a readable image"
        )
    if block:
        sink.append("images", np.stack(block))
    return {"skipped": np.array(skipped, np.int64)}


def _read(name: str, root: str, size: int | None, fit: str, channels: int) -> np.ndarray | None:
    return _images.read(f"{root}{os.sep}{name}", size, fit, channels)
