"""Whatever bytes a file has, its reader gives images or one line."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_helpers import archive, idx_bytes, make_config, member, pixels, png
from helpers.fuzz import cases
from scipy.io import savemat

from ae_run import data
from ae_run.errors import UserError


def npz(folder: Path) -> tuple[Path, dict[str, object]]:
    path = folder / "mine.npz"
    np.savez(path, images=pixels(12, 8, 8), labels=np.arange(12) % 2)
    return path, {"name": "npz", "path": str(path)}


def compressed(folder: Path) -> tuple[Path, dict[str, object]]:
    path = folder / "mine.npz"
    np.savez_compressed(path, images=pixels(12, 8, 8) / 255, labels=np.array(["a", "b"] * 6))
    return path, {"name": "npz", "path": str(path)}


def idx(folder: Path) -> tuple[Path, dict[str, object]]:
    path = folder / "images.idx"
    path.write_bytes(idx_bytes(pixels(12, 8, 8)))
    return path, {"name": "idx", "path": str(path)}


def mat(folder: Path) -> tuple[Path, dict[str, object]]:
    path = folder / "MNIST-mat/MNIST.mat"
    path.parent.mkdir()
    savemat(
        path, {"input_images": pixels(12, 64) / 255, "output_labels": np.arange(12)[:, None] % 2}
    )
    return path, {"name": "mnist_mat", "root": str(folder)}


def one_image(folder: Path) -> tuple[Path, dict[str, object]]:
    for i in range(8):
        path = folder / "images" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(pixels(9, 9, 3, seed=i)))
    return path, {"name": "folder", "path": str(folder / "images"), "size": 8}


def letters(folder: Path) -> tuple[Path, dict[str, object]]:
    path = folder / "notMNIST/notMNIST_small.tar.gz"
    path.parent.mkdir()
    names = [f"notMNIST_small/{'ABCDEFGHIJ'[i % 10]}/{i}.png" for i in range(20)]
    members = (member(n, png(pixels(28, 28, seed=i))) for i, n in enumerate(names))
    path.write_bytes(archive(*members))
    return path, {"name": "notmnist", "root": str(folder), "download": False}


def damaged(whole: bytes, source: random.Random) -> bytes:
    """A truncated, changed, doubled or shuffled copy of a file."""
    content = bytearray(whole)
    for _ in range(source.choice((1, 1, 3, 10))):
        at = source.randrange(len(content) + 1)
        kind = source.randrange(5)
        if kind == 0:
            del content[at:]
        elif kind == 1:
            del content[at : at + source.randrange(1, 20)]
        elif kind == 2:
            content[at:at] = content[at : at + source.randrange(1, 50)]
        elif kind == 3:
            content[at : at + 4] = source.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
        elif at < len(content):
            content[at] = source.randrange(256)
    return bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("make", [npz, compressed, idx, mat, one_image, letters])
def test_a_damaged_file_gives_images_or_one_line(tmp_path, make: Callable, capsys):
    path, changes = make(tmp_path)
    config = make_config(**changes)
    whole, said = path.read_bytes(), []
    for chance in cases(make.__name__, 0.04):
        content = damaged(whole, chance)
        path.write_bytes(content)
        try:
            dataset = data.load(config)
        except UserError as error:
            said.append(str(error))
        else:
            "".join([*dataset.class_names, *dataset.skipped]).encode()
        assert path.read_bytes() == content
    assert all("\n" not in line for line in said)
    assert all(str(tmp_path) in line or "data." in line for line in said)
    "".join(said).encode()
    assert "Traceback" not in capsys.readouterr().err
