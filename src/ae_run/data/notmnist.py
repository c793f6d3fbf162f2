"""notMNIST: the letters A to J in many fonts, 28×28.

Y. Bulatov, "notMNIST dataset", 2011. `small` is the hand-cleaned archive of PNGs, `idx` the
60,000 + 10,000 images that D. Flanagan published in MNIST's format with the author's permission.
"""

import io
import re
import tarfile
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ae_run.data import Images, Source, _cache, _download, _files, _idx, _images, _splits
from ae_run.errors import UserError
from ae_run.schema import DownloadConfig

_CLASSES = "ABCDEFGHIJ"
_VERSION = 1

_ARCHIVE = "notMNIST_small.tar.gz"
_ARCHIVE_SIZE = 8_458_043  # bytes; the published archive is known by its size only
_SMALL_MIRRORS = (
    "http://yaroslavvb.com/upload/notMNIST/",
    "http://commondatastorage.googleapis.com/books1000/",
)
_MEMBER = re.compile(r"notMNIST_small/([A-J])/[^/]+\.png")
_FOLDER = re.compile(r"notMNIST_small(/[A-J])?")
# The published archive has 18,726 members of at most 875 bytes.
_MOST_MEMBERS, _LARGEST_MEMBER = 25_000, 100_000

_IDX_MIRRORS = ("https://github.com/davidflanagan/notMNIST-to-MNIST/raw/master/",)
# md5, since their publisher names nothing else.
_IDX_HASHES = {
    "train-images-idx3-ubyte.gz": "md5:d916d7283fce4d08db9867c640ec0042",
    "train-labels-idx1-ubyte.gz": "md5:eab59f88903339e01dac19deed3824c0",
    "t10k-images-idx3-ubyte.gz": "md5:2c87c839a4ef9b238846600eec8c35b7",
    "t10k-labels-idx1-ubyte.gz": "md5:7ea9118cbafd0f6e3ee2ad771d782a01",
}


class Config(DownloadConfig):
    """Options of `data=notmnist`; its files lie in `<root>/notMNIST/`."""

    variant: Literal["small", "idx"]
    test_fraction: Annotated[float, Field(gt=0, lt=1)]


def load(config: Config) -> Source:
    """Images `(N, 1, 28, 28)`; `idx` has an official test set, from `small` one is held out.

    Raises:
        UserError: a file is missing or invalid.
    """
    return _load_idx(config) if config.variant == "idx" else _load_small(config)


def _load_small(config: Config) -> Source:
    addresses = _download.urls(_ARCHIVE, config.mirrors or _SMALL_MIRRORS)
    path = _download.obtain(f"notMNIST/{_ARCHIVE}", config, addresses, size=_ARCHIVE_SIZE)
    key = _cache.digest([path])
    arrays = _cache.decoded("notmnist-small", _VERSION, key, lambda _: _decode_small(path))
    rest, test = _splits.hold_out(
        Images(arrays["images"]), arrays["labels"], config.test_fraction, config.split_seed
    )
    return Source(
        rest.images,
        rest.labels,
        test.images,
        test.labels,
        class_names=tuple(_CLASSES),
        skipped=tuple(str(name) for name in arrays["skipped"]),
    )


def _decode_small(path: Path) -> _cache.Arrays:
    """Decode the archive in memory, without writing its members to disk.

    Sorted by name, so that the order in the archive does not matter.
    """
    images, labels, skipped = [], [], []
    members = sorted(_members(path))
    decoded = _images.decode_all(_decode_png, [content for _, content in members])
    for (name, _), image in zip(members, decoded, strict=True):
        if image is None:
            skipped.append(_files.text(name.removeprefix("notMNIST_small/")))
        else:
            images.append(image)
            labels.append(_CLASSES.index(name.split("/")[1]))
    if not images:
        raise UserError(f"{path}: has no readable image; download the archive again")
    return {
        "images": np.stack(images)[:, None],
        "labels": np.array(labels, np.int64),
        "skipped": np.array(skipped, np.str_),
    }


def _members(path: Path) -> list[tuple[str, bytes]]:
    """Names and contents of the archive's images; any other member is an error."""
    found: list[tuple[str, bytes]] = []
    advice = "; delete it to download it again"
    with (
        _files.reading(f"{path}: cannot be read as .tar.gz", advice),
        tarfile.open(path, "r:gz") as archive,
    ):
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isdir() and _FOLDER.fullmatch(name):
                continue
            _check_member(path, member, name, len(found))
            file = archive.extractfile(member)
            found.append((name, file.read() if file else b""))
    return found


def _check_member(path: Path, member: tarfile.TarInfo, name: str, count: int) -> None:
    if not member.isreg():
        wrong = "is not a regular file"
    elif not _MEMBER.fullmatch(name):
        wrong = "must be named notMNIST_small/<A to J>/<name>.png"
    elif member.size > _LARGEST_MEMBER:
        wrong = f"has {member.size:,} bytes, must have at most {_LARGEST_MEMBER:,}"
    elif count >= _MOST_MEMBERS:
        wrong = f"is one too many, must be at most {_MOST_MEMBERS:,}"
    else:
        return
    raise UserError(f"{path}: refused: member {member.name!r} {wrong}; download the archive again")


def _decode_png(content: bytes) -> np.ndarray | None:
    """A 28×28 image, or None if it is unreadable or of another size."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.size != (28, 28):
                return None
            return np.asarray(image.convert("L"))
    except Exception:  # Pillow's decoders of damaged files let any error through
        return None


def _load_idx(config: Config) -> Source:
    paths = _download.obtain_set("notMNIST/idx", _IDX_HASHES, config, _IDX_MIRRORS)
    key = _cache.digest(paths)
    arrays = _cache.decoded("notmnist-idx", _VERSION, key, lambda _: _decode_idx(paths))
    return _cache.to_source(arrays, tuple(_CLASSES))


def _decode_idx(paths: list[Path]) -> _cache.Arrays:
    _download.verify(paths, _IDX_HASHES)
    return _idx.decode_set(paths)
