"""Your own images: a NumPy `.npz` file."""

import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from ae_run.data import Source, _arrays
from ae_run.errors import UserError


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
    path = Path(config.path).expanduser()
    if not path.is_file():
        raise UserError(f"data.path={path}: no such file")
    try:
        with path.open("rb") as file:  # numpy, given a path, leaves a corrupt file open
            train, test = _read(file, path, config)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if not zipfile.is_zipfile(path):
            raise UserError(f"data.path={path}: not an .npz file written by numpy.savez") from None
        raise UserError(f"data.path={path}: cannot be read as .npz: {error}") from None
    if test is None and config.test_labels_key:
        raise UserError("data.test_labels_key: needs data.test_images_key as well")
    return _arrays.source(train, test, config)


def _read(file: IO[bytes], path: Path, config: Config) -> tuple[_arrays.Raw, _arrays.Raw | None]:
    """The arrays of train, and those of test if the config names them."""
    archive = np.load(file, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"data.path={path}: must be an .npz file written by numpy.savez")
    with archive:
        train = _raw(archive, path, config, "")
        return train, _raw(archive, path, config, "test_") if config.test_images_key else None


def _raw(archive: "np.lib.npyio.NpzFile", path: Path, config: Config, side: str) -> _arrays.Raw:
    """The arrays under `<side>images_key` and `<side>labels_key`."""
    images, images_where = _array(archive, path, config, f"{side}images_key")
    if getattr(config, f"{side}labels_key") is None:
        return _arrays.Raw(images, images_where, None, "")
    return _arrays.Raw(images, images_where, *_array(archive, path, config, f"{side}labels_key"))


def _array(
    archive: "np.lib.npyio.NpzFile", path: Path, config: Config, option: str
) -> tuple[np.ndarray, str]:
    key: str = getattr(config, option)
    if key not in archive.files:
        none = ", or null for no labels" if "labels" in option else ""
        raise UserError(
            f"data.{option}={key}: {path} has no such array; "
            f"choices: {', '.join(archive.files)}{none}"
        )
    try:
        array: np.ndarray = archive[key]
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        raise UserError(
            f"{path}: {key} is an object array (images of mixed sizes?), which only pickle "
            "could read; must be one array of numbers, N×H×W or N×H×W×C"
        ) from None
    return array, f"{path}: {key}"
