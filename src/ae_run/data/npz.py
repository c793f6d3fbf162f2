"""Your own images: a NumPy `.npz` file."""

import zipfile
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from ae_run import processes
from ae_run.data import Source, _arrays, _blocks, _cache, _files
from ae_run.errors import UserError

_VERSION = 1


class Config(_arrays.HeldOutConfig):
    """Options of `data=npz`."""

    path: str | None
    images_key: str
    labels_key: str | None
    test_images_key: str | None
    test_labels_key: str | None


def load(config: Config) -> Source:
    """Images and labels from the arrays of a file; see `_arrays.source`.

    Raises:
        UserError: the file or an array in it is missing or invalid.
    """
    if config.path is None:
        raise UserError("data.path=null: must name your file: data.path=FILE.npz")
    path = processes.expanded(config.path)
    if not path.is_file():
        raise UserError(f"data.path={path}: no such file")
    if config.test_labels_key and not config.test_images_key:
        raise UserError("data.test_labels_key: needs data.test_images_key as well")
    keys = {name: key for name in _ARRAYS if (key := getattr(config, f"{name}_key")) is not None}
    digest = _cache.stat_digest([path], keys)
    arrays = _cache.decoded("npz", _VERSION, digest, partial(_decode, path, keys))
    where = {name: f"{path}: {key}" for name, key in keys.items()}

    def raw(side: str) -> _arrays.Raw:
        images, labels = f"{side}images", f"{side}labels"
        return _arrays.Raw(arrays[images], where[images], arrays.get(labels), where.get(labels, ""))

    return _arrays.source(raw(""), raw("test_") if "test_images" in keys else None, config)


_ARRAYS = ("images", "labels", "test_images", "test_labels")


def _decode(path: Path, keys: dict[str, str], sink: _cache.Sink) -> _cache.Arrays:
    """The arrays of `keys`, which maps names in the cache to names in the file."""
    labels: _cache.Arrays = {}
    if not zipfile.is_zipfile(path):
        raise UserError(
            f"data.path={path}: not an .npz file; must be an .npz file written by numpy.savez"
        )
    failing = f"data.path={path}: cannot be read as .npz"
    with _files.reading(failing), zipfile.ZipFile(path) as archive:
        _check_keys(path, keys, archive)
        for name, key in keys.items():
            where, member = f"{path}: {key}", _member(archive, key)
            with archive.open(member) as file:
                blocks = _opened(file, member.file_size, where)
                if name.endswith("images"):
                    _blocks.copy_images(blocks, sink, name)
                else:
                    labels[name] = _arrays.one_per_image(blocks.whole(), where)
    return labels


def _check_keys(path: Path, keys: dict[str, str], archive: zipfile.ZipFile) -> None:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    for name, key in keys.items():
        if key not in names:
            none = ", or null for no labels" if "labels" in name else ""
            raise UserError(
                f"data.{name}_key={key}: {path} has no such array; "
                f"choices: {', '.join(map(_files.text, names))}{none}"
            )


def _member(archive: zipfile.ZipFile, key: str) -> zipfile.ZipInfo:
    return archive.getinfo(f"{key}.npy" if f"{key}.npy" in archive.namelist() else key)


def _opened(file: IO[bytes], size: int, where: str) -> _blocks.Blocks:
    """The array in a member of so many bytes, whose header is checked before any room is made."""
    version = np.lib.format.read_magic(file)
    known = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    if version[0] not in known:
        raise UserError(f"{where}: must be an array of numbers, N×H×W or N×H×W×C")
    shape, by_columns, dtype = known[version[0]](file)
    if dtype.hasobject:
        raise UserError(
            f"{where} is an object array (images of mixed sizes?), which only pickle could read; "
            "must be one array of numbers, N×H×W or N×H×W×C"
        )
    blocks = _blocks.Blocks(where, file, shape, dtype, by_columns)
    held = size - file.tell()
    if blocks.nbytes != held or min(shape, default=0) < 0:
        raise UserError(
            f"{where}: its header says {blocks.nbytes:,} bytes of data "
            f"({'×'.join(map(str, shape))}), but it has {held:,}"
        )
    return blocks
