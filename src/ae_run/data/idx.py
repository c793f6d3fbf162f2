"""Your own images: idx files, MNIST's format, plain or gzipped."""

from pathlib import Path

from ae_run.data import Source, _arrays, _idx
from ae_run.errors import UserError

_TEST_NAMES = ("t10k", "test")


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
    path = Path(config.path).expanduser()
    if path.is_file():
        return _arrays.source(_raw(path, None), None, config)
    if not path.is_dir():
        raise UserError(f"data.path={path}: no such folder or file")
    images = _find(path, "train", "images")
    if images is None:
        raise UserError(f"data.path={path}: contains no images: no file is named *train-images*")
    train = _raw(images, _find(path, "train", "labels"))
    for name in _TEST_NAMES:
        images = _find(path, name, "images")
        if images is not None:
            return _arrays.source(train, _raw(images, _find(path, name, "labels")), config)
    return _arrays.source(train, None, config)


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


def _raw(images: Path, labels: Path | None) -> _arrays.Raw:
    label_array = None if labels is None else _idx.read(labels)
    return _arrays.Raw(_idx.read(images), str(images), label_array, str(labels))
