"""notMNIST: its archive is read in memory and trusted in nothing."""

import hashlib
import re
import tarfile

import numpy as np
import pytest
from data_helpers import (
    archive,
    make_config,
    member,
    mnist_files,
    pixels,
    png,
    read_only,
    real_data,
    serving,
    tree,
    write_all,
)

from ae_run import data
from ae_run.data import cache_dir, notmnist
from ae_run.errors import UserError

GLYPHS = pixels(40, 28, 28)
GOOD = [
    member(f"notMNIST_small/{'ABCDEFGHIJ'[i % 10]}/{i}.png", png(glyph))
    for i, glyph in enumerate(GLYPHS)
]
FOLDERS = [member(name, type=tarfile.DIRTYPE) for name in ("notMNIST_small/", "notMNIST_small/A/")]


def load(tmp_path, content: bytes, **changes: object) -> data.Source:
    write_all(tmp_path / "notMNIST", {"notMNIST_small.tar.gz": content})
    changes = {"root": str(tmp_path), "download": False, **changes}
    return notmnist.load(make_config("notmnist", **changes))


def images(source: data.Source) -> set[bytes]:
    both = np.concatenate([source.images, source.test_images])
    return {image.tobytes() for image in both}


def test_images_and_labels_are_those_of_the_archive(tmp_path):
    source = load(tmp_path, archive(*FOLDERS, *GOOD))
    assert source.images.shape == (32, 1, 28, 28)
    assert source.test_images.shape == (8, 1, 28, 28)
    assert images(source) == {glyph.tobytes() for glyph in GLYPHS}
    label_of = {glyph.tobytes(): i % 10 for i, glyph in enumerate(GLYPHS)}
    assert [label_of[image.tobytes()] for image in source.images] == source.labels.tolist()
    assert source.class_names == tuple("ABCDEFGHIJ")


def test_the_order_in_the_archive_does_not_matter(tmp_path):
    one = load(tmp_path / "one", archive(*GOOD))
    two = load(tmp_path / "two", archive(*FOLDERS, *reversed(GOOD)))
    assert one.images[:].tobytes() == two.images[:].tobytes()
    assert one.test_labels.tobytes() == two.test_labels.tobytes()


def test_the_split_seed_moves_the_test_set(tmp_path):
    one, two = (load(tmp_path, archive(*GOOD), split_seed=seed) for seed in (0, 1))
    assert one.test_images[:].tobytes() != two.test_images[:].tobytes()
    assert images(one) == images(two)


def test_unreadable_images_are_skipped_and_listed_from_the_cache_too(tmp_path, monkeypatch):
    good = png(pixels(28, 28, seed=9))
    bad = {
        "A/empty.png": b"",
        "B/truncated.png": good[:200],
        "C/large.png": png(pixels(28, 29)),
        "D/jpeg.png": b"\xff\xd8\xff\xe0" + bytes(100),
        "E/not-utf8-\udcff.png": b"",
    }
    content = archive(*GOOD, *(member(f"notMNIST_small/{name}", c) for name, c in bad.items()))
    first = load(tmp_path, content)
    monkeypatch.setattr(notmnist, "_decode_small", None)  # the second time it is not needed
    for source in (first, load(tmp_path, content)):
        assert source.skipped == tuple(name.replace("\udcff", "\\xff") for name in bad)
        assert images(source) == {glyph.tobytes() for glyph in GLYPHS}


@pytest.mark.parametrize(
    ("evil", "words"),
    [
        (member("notMNIST_small/../../evil.png", b"x"), "must be named"),
        (member("/notMNIST_small/A/evil.png", b"x"), "must be named"),
        (member("notMNIST_small/A/../../evil.png", b"x"), "must be named"),
        (member("notMNIST_small/A/evil.sh", b"x"), "must be named"),
        (member("notMNIST_small/K/evil.png", b"x"), "must be named"),
        (member("notMNIST_small/A/sub/evil.png", b"x"), "must be named"),
        (member("notMNIST_small/A/..", type=tarfile.DIRTYPE), "is not a regular file"),
        (
            member("notMNIST_small/A/l.png", type=tarfile.SYMTYPE, linkname="/etc/hostname"),
            "is not a regular file",
        ),
        (
            member("notMNIST_small/A/l.png", type=tarfile.LNKTYPE, linkname="notMNIST_small/A/0"),
            "is not a regular file",
        ),
        (member("notMNIST_small/A/fifo.png", type=tarfile.FIFOTYPE), "is not a regular file"),
        (member("notMNIST_small/A/dev.png", type=tarfile.CHRTYPE), "is not a regular file"),
        (member("notMNIST_small/A/huge.png", bytes(100_001)), "has 100,001 bytes"),
    ],
    ids=lambda value: value[0].name if isinstance(value, tuple) else None,
)
def test_an_archive_with_anything_else_in_it_is_refused(tmp_path, evil, words):
    content = archive(*GOOD, evil)
    root = tmp_path / "one" / "two"
    with pytest.raises(UserError, match=f"refused: member {re.escape(repr(evil[0].name))} {words}"):
        load(root, content)
    written = {path for path in tree(tmp_path) if not path.startswith(str(cache_dir()))}
    assert {path for path in written if path.endswith((".png", ".sh"))} == set()
    assert not list(cache_dir().rglob("*.npz"))


def test_the_number_of_members_is_capped(tmp_path, monkeypatch):
    monkeypatch.setattr(notmnist, "_MOST_MEMBERS", 40)
    load(tmp_path / "forty", archive(*GOOD))
    with pytest.raises(UserError, match="one too many, must be at most 40"):
        load(tmp_path / "more", archive(*GOOD, member("notMNIST_small/A/x.png", b"x")))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read as .tar.gz"),
        (b"<html>404</html>", "cannot be read as .tar.gz"),
        (archive(*GOOD)[:-2000], "cannot be read as .tar.gz"),
        (archive(), "has no readable image"),
        (archive(*FOLDERS), "has no readable image"),
        (archive(member("notMNIST_small/A/0.png", b"")), "has no readable image"),
    ],
    ids=["empty", "page", "truncated", "nothing", "folders", "unreadable"],
)
def test_a_file_that_is_not_such_an_archive_is_one_clear_error(tmp_path, content, words):
    with pytest.raises(UserError, match=words) as caught:
        load(tmp_path, content)
    assert str(tmp_path / "notMNIST" / "notMNIST_small.tar.gz") in str(caught.value)


def test_the_archive_is_downloaded_if_its_size_is_right(tmp_path, monkeypatch):
    content = archive(*GOOD)
    with serving({"/notMNIST_small.tar.gz": content}) as server:
        config = make_config("notmnist", root=str(tmp_path), mirrors=[server.url])
        with pytest.raises(UserError, match="instead of 8,458,043"):
            notmnist.load(config)
        monkeypatch.setattr(notmnist, "_ARCHIVE_SIZE", len(content))
        assert len(notmnist.load(config).images) == 32
    assert (tmp_path / "notMNIST" / "notMNIST_small.tar.gz").read_bytes() == content


def test_a_read_only_root_stays_as_it_was(tmp_path):
    root = tmp_path / "root"
    write_all(root / "notMNIST", {"notMNIST_small.tar.gz": archive(*GOOD)})
    with read_only(root):
        notmnist.load(make_config("notmnist", root=str(root)))


def test_offline_the_message_says_what_to_do(tmp_path):
    with pytest.raises(UserError) as caught:
        notmnist.load(make_config("notmnist", root=str(tmp_path), download=False))
    for text in ("notMNIST_small.tar.gz:", "http://yaroslavvb.com/", "books1000", str(tmp_path)):
        assert text in str(caught.value)


def test_the_idx_variant_has_its_own_test_set(tmp_path, monkeypatch):
    files = mnist_files()
    hashes = {name: f"md5:{hashlib.md5(content).hexdigest()}" for name, content in files.items()}
    monkeypatch.setattr(notmnist, "_IDX_HASHES", hashes)
    with serving({f"/{name}": content for name, content in files.items()}) as server:
        changes = {"variant": "idx", "root": str(tmp_path), "mirrors": [server.url]}
        source = notmnist.load(make_config("notmnist", **changes))
    assert source.images[:].tobytes() == pixels(60, 28, 28).tobytes()
    assert source.test_images.shape == (20, 1, 28, 28)
    assert source.labels.tolist() == [i % 10 for i in range(60)]
    assert {path.name for path in (tmp_path / "notMNIST" / "idx").glob("[!.]*")} == set(files)


def test_another_version_of_an_idx_file_is_refused(tmp_path):
    write_all(tmp_path / "notMNIST" / "idx", mnist_files())
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte\.gz: md5 is"):
        notmnist.load(make_config("notmnist", variant="idx", root=str(tmp_path)))


def test_the_published_images():
    config = make_config("notmnist", root=str(real_data()), download=False)
    loaded = data.load(config)
    summary = loaded.summary()
    assert summary["images"] == 18_724
    assert [summary[part] for part in ("train", "validation", "test")] == [11_234, 3_745, 3_745]
    assert loaded.skipped == (
        "A/RGVtb2NyYXRpY2FCb2xkT2xkc3R5bGUgQm9sZC50dGY=.png",
        "F/Q3Jvc3NvdmVyIEJvbGRPYmxpcXVlLnR0Zg==.png",
    )
    parts = (loaded.train, loaded.validation, loaded.open_test())
    every = np.concatenate([part.images for part in parts])
    assert (every / np.float32(255)).mean(dtype=np.float64) == pytest.approx(0.4254, abs=5e-5)
    assert len({image.tobytes() for image in every}) == 18_232
    # 132 in another random split; here 125 ± 7 over seeds.
    assert 100 <= loaded.twins["test_in_train_or_validation"] <= 150
