"""One decoded copy of the images for all workers: a nameless file that they map into memory.

It has no name, so nothing is left of it when the last process ends, however that happens.
The test split is not in it.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ae_run.data import Dataset, Part

Layout = dict[str, Any]
_FIELDS = ("train_images", "train_labels", "validation_images", "validation_labels")


@dataclass(frozen=True)
class Shared:
    """The open file, and what lies where in it."""

    file: IO[bytes]
    layout: Layout


@contextmanager
def publish(dataset: Dataset, folder: Path) -> Iterator[Shared]:
    """Write train and validation into a file below `folder`, for as long as it is needed."""
    with tempfile.TemporaryFile(dir=folder) as file:
        yield Shared(file, _write(dataset, file))


def _write(dataset: Dataset, file: IO[bytes]) -> Layout:
    parts = {"train": dataset.train, "validation": dataset.validation}
    arrays: dict[str, dict[str, Any]] = {}
    for name in _FIELDS:
        split, _, what = name.partition("_")
        array = np.ascontiguousarray(getattr(parts[split], what))
        file.seek(-(-file.tell() // 64) * 64)  # aligned
        arrays[name] = {
            "offset": file.tell(),
            "shape": list(array.shape),
            "dtype": array.dtype.str,
        }
        file.write(array.tobytes())
    file.flush()
    return {
        "arrays": arrays,
        "class_names": list(dataset.class_names),
        "skipped": list(dataset.skipped),
        "twins": dict(dataset.twins),
        "fingerprint": dataset.fingerprint,
    }


def attach(file: IO[bytes], layout: Layout) -> Dataset:
    """The data set in another process; its test split is empty."""
    arrays = {
        # "c": nobody writes, but torch takes only arrays that could be.
        name: np.memmap(file, a["dtype"], "c", a["offset"], tuple(a["shape"]))
        if all(a["shape"])
        else np.empty(a["shape"], a["dtype"])
        for name, a in layout["arrays"].items()
    }
    images, labels = arrays["train_images"], arrays["train_labels"]
    return Dataset(
        train=Part(images, labels),
        validation=Part(arrays["validation_images"], arrays["validation_labels"]),
        _test=Part(np.empty((0, *images.shape[1:]), np.uint8), np.empty(0, np.int64)),
        class_names=tuple(layout["class_names"]),
        skipped=tuple(layout["skipped"]),
        twins=dict(layout["twins"]),
        fingerprint=layout["fingerprint"],
    )
