"""MNIST and its kin come from torchvision's mirrors, from any root, and are decoded once."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from command_line import run_process
from data_helpers import make_config, mnist_files, read_only, real_data, serving, write_all

from ae_run import components, data
from ae_run.data import cache_dir, mnist
from ae_run.errors import UserError

KINDS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}
FILES = mnist_files()


@pytest.fixture(params=KINDS)
def name(request, monkeypatch) -> str:
    """A data set whose published files are small ones of ours."""
    md5_sums = [(name, hashlib.md5(content).hexdigest()) for name, content in FILES.items()]
    monkeypatch.setattr(getattr(torchvision.datasets, KINDS[request.param]), "resources", md5_sums)
    sha256 = {
        name: f"sha256:{hashlib.sha256(content).hexdigest()}" for name, content in FILES.items()
    }
    monkeypatch.setattr(mnist, "_HASHES", sha256)
    return request.param


def load(name: str, **changes: object) -> data.Source:
    return components.module("data", name).load(make_config(name, **changes))


def assert_right(source: data.Source) -> None:
    for images, labels, part in (
        (source.images, source.labels, "train"),
        (source.test_images, source.test_labels, "t10k"),
    ):
        raw = gzip.decompress(FILES[f"{part}-images-idx3-ubyte.gz"])[16:]
        assert images[:].dtype == np.uint8
        assert images.shape[1:] == (1, 28, 28)
        assert images[:].tobytes() == raw
        assert labels.dtype == np.int64
        assert labels.tolist() == [i % 10 for i in range(len(images))]
    assert len(source.class_names) == 10


def raw_folder(root: Path, name: str) -> Path:
    return root / KINDS[name] / "raw"


def test_it_is_downloaded_to_the_root_in_torchvisions_layout(name, tmp_path):
    with serving({f"/{file}": content for file, content in FILES.items()}) as server:
        assert_right(load(name, root=str(tmp_path / "root"), mirrors=[server.url]))
        assert_right(load(name, root=str(tmp_path / "root"), mirrors=[server.url]))
        assert len(server.asked) == 4
    found = {path.name for path in raw_folder(tmp_path / "root", name).glob("[!.]*")}
    assert found == set(FILES)


@pytest.mark.parametrize("unpacked", [False, True])
def test_a_read_only_root_is_enough_and_stays_as_it_was(name, tmp_path, unpacked):
    root = tmp_path / "root"
    files = {n[:-3]: gzip.decompress(c) for n, c in FILES.items()} if unpacked else FILES
    write_all(raw_folder(root, name), files)
    with read_only(root):
        assert_right(load(name, root=str(root), download=False))
    left = [path.name for path in cache_dir().iterdir()]
    assert left == ["decoded"]  # no scratch folder


def test_without_a_cache_it_is_decoded_all_the_same(name, tmp_path, monkeypatch):
    (tmp_path / "plain").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "plain"))
    write_all(raw_folder(tmp_path, name), FILES)
    assert_right(load(name, root=str(tmp_path), download=False))


def test_decoded_it_imports_nothing_heavy(name, tmp_path):
    write_all(raw_folder(tmp_path, name), FILES)
    load(name, root=str(tmp_path))
    code = f"""
import sys, yaml
from ae_run import components, data
raw = yaml.safe_load((components.conf_dir() / "data" / "{name}.yaml").read_text("utf-8"))
module = components.module("data", "{name}")
data.load(module.Config.model_validate(raw | {{"root": {str(tmp_path)!r}}}))
heavy = ("torch", "torchvision", "scipy", "sklearn", "pooch", "requests")
print([name for name in heavy if name in sys.modules])
"""
    result = run_process(["-c", code], env=dict(os.environ))
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_another_version_of_a_file_is_refused_and_kept(name, tmp_path):
    write_all(raw_folder(tmp_path, name), FILES)
    wrong = raw_folder(tmp_path, name) / "t10k-labels-idx1-ubyte.gz"
    wrong.write_bytes(gzip.compress(b"something else"))
    content = wrong.read_bytes()
    algorithm = "sha256" if name == "mnist" else "md5"
    with serving({}) as server:
        with pytest.raises(
            UserError, match=rf"t10k-labels-idx1-ubyte\.gz: {algorithm} is .*, must be"
        ):
            load(name, root=str(tmp_path), mirrors=[server.url])
        assert server.asked == []
    assert wrong.read_bytes() == content


def test_truncated_unpacked_files_are_one_clear_error(name, tmp_path):
    unpacked = {n[:-3]: gzip.decompress(c) for n, c in FILES.items()}
    unpacked["train-images-idx3-ubyte"] = unpacked["train-images-idx3-ubyte"][:-1]
    write_all(raw_folder(tmp_path, name), unpacked)
    with pytest.raises(
        UserError, match=r"train-images-idx3-ubyte: its header says 47,040 bytes .* has 47,039"
    ):
        load(name, root=str(tmp_path), download=False)


def test_what_is_missing_is_named_with_its_place(name, tmp_path):
    with pytest.raises(UserError) as caught:
        load(name, root=str(tmp_path), download=False)
    message = str(caught.value)
    place = raw_folder(tmp_path, name) / "train-images-idx3-ubyte.gz"
    assert f" to {place}." in message
    assert getattr(torchvision.datasets, KINDS[name]).mirrors[0] in message
    assert all(file in message for file in FILES)


def test_the_published_mnist():
    root = real_data()
    config = make_config("mnist", root=str(root), download=False)
    loaded = data.load(config)
    assert (len(loaded.train), len(loaded.validation)) == (48_000, 12_000)
    assert len(loaded.open_test()) == 10_000
    pixels = np.concatenate([loaded.train.images, loaded.validation.images]) / np.float32(255)
    assert pixels.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert pixels.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    counts = np.bincount(loaded.validation.labels) / 12_000
    assert np.abs(counts - np.bincount(loaded.train.labels) / 48_000).max() < 2e-4
