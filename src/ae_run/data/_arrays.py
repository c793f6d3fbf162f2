"""Convert users' arrays to uint8 images and int64 labels; refuse what is ambiguous.

`where` names an array in messages: its file and key.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from ae_run.data import Images, Source, _files, _splits
from ae_run.errors import UserError
from ae_run.schema import DataConfig

SMALLEST = 8  # pixels per side; the models need as many
_ROWS = 4096  # images converted at a time: floats of all would fill the memory


class HeldOutConfig(DataConfig):
    """Options of a data set that may come without an official test set."""

    test_fraction: Annotated[float, Field(gt=0, lt=1)]


def to_images(array: np.ndarray, where: str) -> np.ndarray:
    """Images as uint8 `(N, C, H, W)`.

    Args:
        array: `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)` with C 1 or 3; uint8, or floats
            in [0, 1].
        where: as in the module's docstring.

    Raises:
        UserError: the shape or type differs, there is no image, or floats are NaN or out of range.
    """
    array = checked_images(array, where)
    if array.dtype == np.uint8:
        return array
    pixels = np.empty(array.shape, np.uint8)
    for i in range(0, len(array), _ROWS):
        pixels[i : i + _ROWS] = _from_float(array[i : i + _ROWS], where)
    return pixels


def checked_images(array: np.ndarray, where: str) -> np.ndarray:
    """A view (N, C, H, W) of images, of whose values none has been looked at.

    Raises:
        UserError: the shape or type is not one that `to_images` takes.
    """
    array = _channels_first(array, where)
    if len(array) == 0:
        raise UserError(f"{where}: contains no images")
    if min(array.shape[2:]) < SMALLEST:
        h, w = array.shape[2:]
        raise UserError(f"{where}: images are {h}×{w}; must be {SMALLEST}×{SMALLEST} or larger")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise UserError(
            f"{where}: dtype is {array.dtype}; must be uint8, or float with values in [0, 1]"
        )
    return array


def _channels_first(array: np.ndarray, where: str) -> np.ndarray:
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4 and array.shape[3] in (1, 3):
        return np.moveaxis(array, 3, 1)
    if array.ndim == 4 and array.shape[1] in (1, 3):
        return array
    raise UserError(
        f"{where}: shape is {shape_text(array)}; must be N×H×W, N×H×W×C or N×C×H×W with C 1 or 3"
    )


def _from_float(array: np.ndarray, where: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise UserError(f"{where}: contains NaN or infinity; must be numbers in [0, 1]")
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise UserError(
            f"{where}: floats from {low:g} to {high:g}; must lie in [0, 1]; "
            "scale them, or store 0 to 255 as uint8"
        )
    pixels: np.ndarray = np.rint(array * 255).astype(np.uint8)
    return pixels


def to_labels(
    arrays: Sequence[np.ndarray], wheres: Sequence[str]
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Labels as indices into the sorted distinct values of all arrays.

    Args:
        arrays: `(N,)` or `(N, 1)` each; integers, whole floats, booleans or strings.
        wheres: as in the module's docstring, one per array.

    Returns:
        int64 `(N,)` each, and the values as class names.

    Raises:
        UserError: the shape or type differs.
    """
    flat = [one_per_image(array, where) for array, where in zip(arrays, wheres, strict=True)]
    values, index = np.unique(np.concatenate(flat), return_inverse=True)
    ends = np.cumsum([len(array) for array in flat])[:-1]
    return np.split(index.astype(np.int64), ends), tuple(_files.text(str(v)) for v in values)


def one_per_image(array: np.ndarray, where: str) -> np.ndarray:
    """Labels as `(N,)`; whole floats become int64.

    Raises:
        UserError: see `to_labels`.
    """
    if array.ndim not in (1, 2) or array.size != len(array):
        raise UserError(f"{where}: shape is {shape_text(array)}; must be one label per image")
    array = array.reshape(-1)
    if array.dtype.kind not in "iufbU":
        raise UserError(f"{where}: dtype is {array.dtype}; must be integers or strings")
    if array.dtype.kind != "f":
        return array
    if not (np.isfinite(array).all() and (array == np.rint(array)).all()):
        raise UserError(f"{where}: contains NaN or fractions; must be whole numbers or strings")
    return array.astype(np.int64)


class Raw(NamedTuple):
    """Unconverted images and labels, each with its `where`."""

    images: np.ndarray
    images_where: str
    labels: np.ndarray | None
    """None: all images belong to one class."""
    labels_where: str


def source(
    train: Raw, test: Raw | None, config: HeldOutConfig, skipped: tuple[str, ...] = ()
) -> Source:
    """A source from raw arrays of train and, if it has a test set, of test.

    Otherwise `config.test_fraction` of the images is held out, by `split_seed`.

    Raises:
        UserError: see `to_images` and `to_labels`; or the numbers of images and labels differ.
    """
    raws = [train] if test is None else [train, test]
    images = [to_images(raw.images, raw.images_where) for raw in raws]
    labels, names = _labels(raws, [len(array) for array in images])
    if test is None:
        fraction, seed = config.test_fraction, config.split_seed
        rest, held_out = _splits.hold_out(Images(images[0]), labels[0], fraction, seed)
        return Source(rest.images, rest.labels, held_out.images, held_out.labels, names, skipped)
    if images[0].shape[1:] != images[1].shape[1:]:
        raise UserError(
            f"{test.images_where}: test images are {shape_text(images[1][0])}, train images "
            f"{shape_text(images[0][0])} (C×H×W); must be equal"
        )
    return Source(Images(images[0]), labels[0], Images(images[1]), labels[1], names, skipped)


def _labels(raws: Sequence[Raw], counts: Sequence[int]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    given = [raw.labels for raw in raws if raw.labels is not None]
    if not given:
        return [np.zeros(count, np.int64) for count in counts], ("all",)
    if len(given) < len(raws):
        raise UserError(
            f"{raws[0].images_where}: labels of train and test must both be given, or neither"
        )
    for raw, array, count in zip(raws, given, counts, strict=True):
        if array.shape[:1] != (count,):
            raise UserError(
                f"{raw.labels_where}: shape is {shape_text(array)}, but there are {count} images; "
                "must be one label per image"
            )
    return to_labels(given, [raw.labels_where for raw in raws])


def shape_text(array: np.ndarray) -> str:
    """A shape such as 60000×784."""
    return "×".join(str(n) for n in array.shape) or "a single number"
