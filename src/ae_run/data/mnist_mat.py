"""MNIST's 60,000 training images from a MATLAB file, turned upright; a test set is held out.

The file stores each image column by column, as MATLAB does. Read row by row it is transposed: it
looks rotated and flipped.
"""

import math
from pathlib import Path

import numpy as np

from ae_run.data import Source, _arrays, _cache, _files, _mat_types
from ae_run.errors import UserError
from ae_run.processes import available_memory
from ae_run.schema import FileDataConfig

_FILE = "MNIST-mat/MNIST.mat"
_VERSION = 1
_LARGEST_NUMBER = 8  # bytes


class Config(FileDataConfig, _arrays.HeldOutConfig):
    """Options of `data=mnist_mat`; its file is `<root>/MNIST-mat/MNIST.mat`."""

    images_key: str
    labels_key: str


def load(config: Config) -> Source:
    """Images `(N, 1, 28, 28)` and their labels.

    Raises:
        UserError: the file is missing, or has no images and labels under these keys.
    """
    path = _files.find(_FILE, config.root)
    if path is None:
        target = _files.target(_FILE, config.root)
        raise UserError(
            f"{target}: missing, and cannot be downloaded; put a MATLAB file (v7 or older) with "
            f"{config.images_key} (N×784) and {config.labels_key} (N×1) there, or set data.root"
        )
    keys = config.images_key, config.labels_key
    key = _cache.digest([path], *keys)
    arrays = _cache.decoded("mnist-mat", _VERSION, key, lambda _: _decode(path, *keys))
    where = (f"{path}: {config.images_key}", f"{path}: {config.labels_key}")
    raw = _arrays.Raw(arrays["images"], where[0], arrays["labels"], where[1])
    return _arrays.source(raw, None, config)


def _decode(path: Path, images_key: str, labels_key: str) -> _cache.Arrays:
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import matfile_version

    with _files.reading(f"{path}: cannot be read as a .mat file"), path.open("rb") as file:
        try:
            known = {name: (shape, kind) for name, shape, kind in whosmat(file)}
        except NotImplementedError:  # version 7.3 is HDF5
            raise UserError(f"{path}: MATLAB 7.3 format; save it with -v7 or older") from None
        for option, name in (("images_key", images_key), ("labels_key", labels_key)):
            if name not in known:
                raise UserError(
                    f"data.{option}={name}: {path} has no such array; choices: {', '.join(known)}"
                )
            shape, kind = known[name]
            if kind not in _mat_types.NUMBERS:
                raise UserError(
                    f"data.{option}={name}: {path}: is of class {kind}; must be numbers"
                )
            if 2 * _LARGEST_NUMBER * math.prod(shape) > available_memory():
                raise MemoryError
        if matfile_version(file)[0] == 1:
            file.seek(0)
            _mat_types.check(file)
        arrays = loadmat(file, variable_names=[images_key, labels_key])
    return {
        "images": _upright(np.asarray(arrays[images_key]), f"{path}: {images_key}"),
        "labels": _arrays.one_per_image(np.asarray(arrays[labels_key]), f"{path}: {labels_key}"),
    }


def _upright(rows: np.ndarray, where: str) -> np.ndarray:
    """Rows of pixels `(N, S·S)`, stored column by column, as uint8 images `(N, 1, S, S)`."""
    side = round(float(np.prod(rows.shape[1:])) ** 0.5)
    if rows.ndim != 2 or side * side != rows.shape[1]:
        raise UserError(
            f"{where}: shape is {_arrays.shape_text(rows)}; must be one row of pixels per "
            "square image, such as 60000×784"
        )
    return _arrays.to_images(rows.reshape(-1, side, side).transpose(0, 2, 1), where)
