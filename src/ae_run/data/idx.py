"""Your own images: idx files, MNIST's format, plain or gzipped."""

from functools import partial
from pathlib import Path

from ae_run import processes
from ae_run.data import Source, _arrays, _blocks, _cache, _idx
from ae_run.errors import UserError

_TEST_NAMES = ("t10k", "test")
_VERSION = 1


class Config(_arrays.HeldOutConfig):
    """Options of `data=idx`."""

    path: str | None


def load(config: Config) -> Source:
    """Images and labels from a folder, or images without labels from a file.

    The files of a folder are named like MNIST's: `train-images…`, `train-labels…`, and for a test
    set `t10k-images…` and `t10k-labels…` (or `test-…`). Labels are optional.

    Raises:
        UserError: a file is missing or invalid.
    """
    if config.path is None:
        raise UserError("data.path=null: must name your folder of idx files: data.path=FOLDER")
    path = processes.expanded(config.path)
    if not (path.is_file() or path.is_dir()):
        raise UserError(f"data.path={path}: no such folder or file")
    files = {"images": path} if path.is_file() else _files(path)
    key = _cache.stat_digest(files.values(), *files)
    arrays = _cache.decoded("idx", _VERSION, key, partial(_decode, files))

    def raw(side: str) -> _arrays.Raw:
        images, labels = f"{side}images", f"{side}labels"
        of = str(files.get(labels))
        return _arrays.Raw(arrays[images], str(files[images]), arrays.get(labels), of)

    return _arrays.source(raw(""), raw("test_") if "test_images" in files else None, config)


def _decode(files: dict[str, Path], sink: _cache.Sink) -> _cache.Arrays:
    labels: _cache.Arrays = {}
    for name, path in files.items():
        with _idx.opened(path) as blocks:
            if name.endswith("images"):
                _blocks.copy_images(blocks, sink, name)
            else:
                labels[name] = _arrays.one_per_image(blocks.whole(), str(path))
    return labels


def _files(folder: Path) -> dict[str, Path]:
    """The files of a folder: images, and labels and test images if there are any."""
    if _find(folder, "train", "images") is None:
        raise UserError(f"data.path={folder}: contains no images: no file is named *train-images*")
    tests = [name for name in _TEST_NAMES if _find(folder, name, "images")]
    sides = {"": "train"} | ({"test_": tests[0]} if tests else {})
    found = {
        f"{side}{kind}": _find(folder, name, kind)
        for side, name in sides.items()
        for kind in ("images", "labels")
    }
    return {name: path for name, path in found.items() if path is not None}


def _find(folder: Path, part: str, kind: str) -> Path | None:
    """The only file of a kind; an unpacked file wins over its gzipped copy."""
    found = sorted(path for path in folder.glob(f"*{part}-{kind}*") if path.is_file())
    plain = [path for path in found if path.suffix != ".gz"]
    found = plain + [
        path for path in found if path.with_suffix("") not in plain and path.suffix == ".gz"
    ]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UserError(f"data.path={folder}: must have one file *{part}-{kind}*, has {names}")
    return found[0] if found else None
