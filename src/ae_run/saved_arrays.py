"""Types and shapes of the arrays in a run folder, which may be damaged or another program's.

What does not fit is left out and named by its key. Arrays that are not listed here pass as they
are.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from io import BytesIO
from zipfile import ZipFile

import numpy as np

from ae_run import processes

_LARGEST = 1e100
"""Larger numbers cannot be drawn."""
_LABELS = 100_000
_LONGEST = 300  # characters of a message

# Name → type and shape. Equal names of dimensions are equal numbers; `*` is what the name's own
# stands for, so that another kind of path may have another number of steps.
_IMAGES = {
    "samples_images": "samples C H W",
    "reconstruction_(?:target|input|output)": "shown C H W",
    "worst_(?:target|input|output)": "worst C H W",
    "robustness_(.+)_(?:inputs|outputs)": "levels* examples* C H W",
    "convergence_frames": "starts steps C H W",
    "codes_thumbnails": "thumbnails c h w",
    "centroids_images": "K C H W",
    "paths_(.+)_images": "paths* steps* C H W",
    "centroid_samples_images": "variances columns C H W",
    "random_samples_images": "random C H W",
    "latent_grid_images": "grid grid C H W",
    "snapshots_images": "epochs kept C H W",
    "snapshots_target": "kept C H W",
    "snapshots_input": "kept C H W",
    "denoisers_output": "filtered C H W",
    "traversals_images": "traversals positions C H W",
    "nearest_samples_images": "generated C H W",
    "nearest_test_images": "tested C H W",
    "nearest_test_targets": "tested C H W",
    "explorer_outputs": "explored c small-h small-w",
    "explorer_grid_images": "rows columns C H W",
}
_INTEGERS = {
    "samples_labels": "samples",
    "reconstruction_labels": "shown",
    "codes_labels": "codes",
    "tsne_labels": "embedded",
    "paths_(.+)_labels": "paths* 2",
    "latent_grid_dims": "2",
    "convergence_steps": "steps",
    "snapshots_epochs": "epochs",
    "traversals_dims": "traversals",
    "explorer_grid_dims": "axes",
}
_FLOATS = {
    "codes": "codes d",
    "codes_2d": "codes 2",
    "codes_3d": "codes 3",
    "tsne_2d": "embedded 2",
    "tsne_3d": "embedded 3",
    "path_2d_points": "points 2",
    "centroid_samples_variances": "variances",
    "latent_grid_values": "grid",
    "traversals_importance": "traversals",
    "traversals_values": "positions",
    "nearest_samples_mse": "generated",
    "nearest_test_mse": "tested",
    "dims_variance": "d",
    "dims_correlation": "d d",
    "dims_singular_values": "images ranks",
    "explorer_grid_values": "axes columns",
}
_ERRORS = {"worst_mse": "worst", "test_mse": "test", "denoising_output_mse": "test"}
_TEXTS = {"class_names": "classes", "codes_2d_axes": "2", "codes_3d_axes": "3"}


def _natural(array: np.ndarray) -> bool:
    inside = not array.size or bool(array.min() >= 0 and array.max() < _LABELS)
    return array.dtype.kind in "iu" and inside


def _finite(array: np.ndarray) -> bool:
    return array.dtype.kind in "fiu" and bool((np.abs(array.astype(float)) <= _LARGEST).all())


_KINDS: tuple[tuple[dict[str, str], str, Callable[[np.ndarray], bool]], ...] = (
    (_IMAGES, "uint8 images", lambda array: array.dtype == np.uint8),
    (_FLOATS, "finite numbers", _finite),
    (_INTEGERS, f"integers from 0 to {_LABELS - 1}", _natural),
    (_ERRORS, "numbers", lambda array: array.dtype.kind == "f"),
    (_TEXTS, "text", lambda array: array.dtype.kind == "U"),
)


def sound(name: str, arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays that have their type and shape, and what is wrong with the others."""
    prefix = {"artifacts.npz": "", "snapshots.npz": "snapshots_"}.get(name)
    if prefix is None:
        return dict(arrays), []
    kept, wrong = dict(arrays), []
    sizes: dict[str, int] = {}
    for key, dims, what, fits in _known(arrays, prefix):
        array = arrays[key]
        if not fits(array):
            wrong.append(f"{key}: must hold {what}, has {array.dtype}")
        elif not _has_shape(array.shape, dims, sizes):
            names = ", ".join(f"{dim}={sizes[dim]}" if dim in sizes else dim for dim in dims)
            wrong.append(f"{key}: must have the shape ({names}), has {array.shape}")
        else:
            continue
        del kept[key]
    if (foreign := _foreign_decoder(kept)) is not None:
        wrong.append(f"explorer_decoder: {foreign}")
        kept = {key: kept[key] for key in kept if not key.startswith("explorer_decoder")}
    return kept, wrong


def _foreign_decoder(arrays: Mapping[str, np.ndarray]) -> str | None:
    """What is wrong with the page's decoder, layers in JSON that name their arrays by number."""
    if "explorer_decoder" not in arrays:
        return None
    try:
        layers = json.loads(str(arrays["explorer_decoder"]))
        numbers = [number for layer in layers for number in layer["arrays"].values()]
        weights = [arrays[f"explorer_decoder_{number}"] for number in numbers]
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return f"must describe layers whose arrays are there ({type(error).__name__}: {error})"
    whole = all(weight.dtype.kind == "f" and np.isfinite(weight).all() for weight in weights)
    return None if whole else "must have layers of finite numbers"


def _known(
    arrays: Mapping[str, np.ndarray], prefix: str
) -> Iterator[tuple[str, list[str], str, Callable[[np.ndarray], bool]]]:
    """Key, dimensions, type in words and its test of each array that a figure may use."""
    for table, what, fits in _KINDS:
        for pattern, dims in table.items():
            for key in arrays:
                match = re.fullmatch(pattern, f"{prefix}{key}")
                if match:
                    own = match[1] if match.groups() else ""
                    yield key, [dim.replace("*", f" of {own}") for dim in dims.split()], what, fits


def _has_shape(shape: tuple[int, ...], dims: list[str], sizes: dict[str, int]) -> bool:
    """Whether a shape fits; names of dimensions that are new get their numbers from it."""
    if len(shape) != len(dims):
        return False
    if any(dim in ("C", "c") and size not in (1, 3) for dim, size in zip(dims, shape, strict=True)):
        return False
    fixed = {dim: int(dim) for dim in dims if dim.isdigit()}
    new: dict[str, int] = {}
    for dim, size in zip(dims, shape, strict=True):
        if size != (fixed | sizes | new).get(dim, size):
            return False
        new[dim] = size
    sizes.update({dim: size for dim, size in new.items() if dim not in fixed})
    return True


def unpacked(
    content: bytes, only: Collection[str] | None = None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of an `.npz` file that can be read, and what is wrong with the others.

    Args:
        content: of the file.
        only: the arrays to read; None: all.

    Raises:
        ValueError: it is no `.npz` file, or larger than the memory.
    """
    arrays, wrong = {}, []
    try:
        archive = np.load(BytesIO(content), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("not an .npz file")
        with archive:
            size = sum(member.file_size for member in ZipFile(BytesIO(content)).infolist())
            if size > (processes.memory() or size):
                raise ValueError(f"would be {size / 1e9:,.1f} GB in memory")
            for key in archive.files if only is None else {*archive.files} & {*only}:
                try:
                    arrays[key] = archive[key]
                except Exception as error:  # zipfile, zlib and NumPy each raise their own
                    wrong.append(f"{key}: not readable: {' '.join(str(error).split())}"[:_LONGEST])
    except Exception as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from None
    return arrays, wrong
