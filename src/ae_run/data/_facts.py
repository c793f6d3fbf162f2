"""Facts about a split data set that take a look at every pixel, remembered in the cache."""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ae_run.atomic import write_bytes
from ae_run.data._binary import binarized
from ae_run.data._mapped import COMPLETE
from ae_run.data._types import Part

_VERSION = 1


@dataclass(frozen=True)
class Facts:
    """See `Dataset`."""

    twins: dict[str, int]
    fingerprint: str
    mean_pixel: float


def of(train: Part, validation: Part, test: Part, draw_seed: int | None = None) -> Facts:
    """The facts of a data set; of one in the cache, they are found only once.

    With a seed, fingerprint and mean are those of the images as `Images.drawn` makes them binary.
    """
    path = _memo(draw_seed, train, validation, test)
    if path is not None:
        with suppress(OSError, ValueError, TypeError):
            return Facts(**json.loads(path.read_bytes()))
    facts = _found(draw_seed, train, validation, test)
    if path is not None:
        with suppress(OSError):  # no room: they are found again next time
            write_bytes(path, json.dumps(asdict(facts)).encode())
    return facts


def _memo(draw_seed: int | None, *parts: Part) -> Path | None:
    """The file of the facts: named after the images' files and the splits; None without files."""
    whole = hashlib.sha256(repr(draw_seed).encode())
    for part in parts:
        if part.images.file is None:
            return None
        stat = part.images.file.stat()
        whole.update(repr((stat.st_size, stat.st_mtime_ns, stat.st_ino)).encode())
        for array in (part.images.rows, part.labels):
            whole.update(repr(array.shape).encode())
            whole.update(np.ascontiguousarray(array).data)
        folder = part.images.file.parent
    in_cache = (folder / COMPLETE).is_file()
    return folder / f"facts-v{_VERSION}-{whole.hexdigest()[:24]}.json" if in_cache else None


def _found(draw_seed: int | None, train: Part, validation: Part, test: Part) -> Facts:
    """One pass over all images."""
    fingerprint, keys, mean = hashlib.sha256(), [], 0.0
    for part in (train, validation, test):
        images, total, own = part.images, 0, []
        fingerprint.update(f"{np.dtype(np.uint8).str}{images.shape}".encode())
        for block in images.blocks():
            own.append(_keys(block))
            shown = block if draw_seed is None else binarized(block, draw_seed)
            fingerprint.update(shown.data)
            total += int(shown.sum(dtype=np.uint64))
        images.release()
        fingerprint.update(f"{part.labels.dtype.str}{part.labels.shape}".encode())
        fingerprint.update(part.labels.tobytes())
        keys.append(np.concatenate([np.empty(0, np.uint64), *own]))
        if part is train:
            mean = total / (len(images) * int(np.prod(images.shape[1:]))) / 255
    return Facts(_twins(*keys), fingerprint.hexdigest(), mean)


def _keys(images: np.ndarray) -> np.ndarray:
    """64 bits per image (N,): among a million images, one pair in 4·10⁷ runs collides."""
    digests = b"".join(hashlib.blake2b(image.data, digest_size=8).digest() for image in images)
    return np.frombuffer(digests, np.uint64)


def _twins(train: np.ndarray, validation: np.ndarray, test: np.ndarray) -> dict[str, int]:
    """Count the images of one split that occur, pixel for pixel, in another."""
    seen = np.concatenate([train, validation])
    return {
        "test_in_train_or_validation": int(np.isin(test, seen).sum()),
        "validation_in_train": int(np.isin(validation, train).sum()),
    }
