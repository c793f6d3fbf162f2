"""The user's own pictures in folders."""

import os
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from data_helpers import make_config, pixels, png, read_only, write_all
from PIL import Image

from ae_run import data
from ae_run.data import _images, folder
from ae_run.errors import UserError


@pytest.fixture
def root(tmp_path):
    """A folder for pictures, apart from the cache."""
    return tmp_path / "pictures"


def load(path, **changes) -> data.Source:
    return folder.load(make_config("folder", path=str(path), **changes))


def fill(root, n: int = 5, seed: int = 0) -> None:
    for label in ("cat", "ant"):
        images = {f"{i}.png": png(pixels(28, 28, 3, seed=seed + i)) for i in range(n)}
        write_all(root / label, images)


def test_classes_are_the_sub_folders_in_order(root):
    fill(root)
    source = load(root)
    assert source.class_names == ("ant", "cat")
    assert source.images.shape == (8, 3, 28, 28)
    assert np.bincount(source.test_labels).tolist() == [1, 1]
    every = {image.tobytes() for image in np.concatenate([source.images, source.test_images])}
    assert every == {pixels(28, 28, 3, seed=i).transpose(2, 0, 1).tobytes() for i in range(5)}


def test_the_current_folder_may_be_the_root(root, monkeypatch):
    fill(root)
    monkeypatch.chdir(root)
    assert load(".").class_names == ("ant", "cat")


def test_train_and_test_folders_are_the_splits(root):
    fill(root / "train", n=3)
    fill(root / "test", n=2, seed=50)
    write_all(root / "test" / "bee", {"0.png": png(pixels(28, 28, 3, seed=60))})
    source = load(root)
    assert source.class_names == ("ant", "bee", "cat")
    assert (len(source.images), len(source.test_images)) == (6, 5)
    assert sorted(source.test_labels) == [0, 0, 1, 2, 2]


def test_pictures_lie_at_any_depth_and_hidden_ones_are_left_out(root):
    fill(root)
    write_all(root / "ant" / "more", {"a.png": png(pixels(28, 28, 3, seed=9))})
    write_all(root / "ant" / ".thumbnails", {"a.png": png(pixels(28, 28, 3, seed=8))})
    write_all(root / ".cache", {"a.png": png(pixels(28, 28, 3, seed=7))})
    (root / "ant" / ".DS_Store").write_bytes(b"x")
    (root / "ant" / "link.png").symlink_to(root / "nowhere.png")
    source = load(root)
    assert len(source.images) + len(source.test_images) == 11
    assert source.skipped == ()


def test_what_is_not_a_picture_is_skipped_and_listed_from_the_cache_too(root, monkeypatch):
    fill(root)
    write_all(root / "ant", {"x.png": b"", "notes.txt": b"hello", "t.png": png(pixels(9, 9))[:40]})
    first = load(root)
    monkeypatch.setattr(folder._images, "read", None)  # the second time it is not needed
    for source in (first, load(root)):
        assert source.skipped == ("ant/notes.txt", "ant/t.png", "ant/x.png")
        assert len(source.images) + len(source.test_images) == 10


def test_a_changed_picture_is_read_again(root):
    fill(root)
    before = load(root)
    write_all(root / "ant", {"0.png": png(pixels(30, 31, 3, seed=77))})
    after = load(root)
    assert before.images[:].tobytes() != after.images[:].tobytes()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "tiff", "webp", "ppm"])
def test_any_format_is_resized_and_converted(root, suffix, channels):
    for label in ("a", "b"):
        (root / label).mkdir(parents=True)
        for i in range(3):
            image = Image.new("RGB", (40 + i, 30), (200, 200, 200))
            image.save(root / label / f"{i}.{suffix}")
    source = load(root, size=16, channels=channels)
    assert source.images.shape == (5, channels, 16, 16)
    assert np.abs(source.images[:].astype(int) - 200).max() <= 3


def read(tmp_path, image: Image.Image, size=None, fit="crop", channels=1, suffix="png"):
    path = tmp_path / f"image.{suffix}"
    image.save(path)
    options = {"size": size, "fit": fit, "channels": channels}
    return next(_images.decode_all(partial(_images.read, **options), [str(path)]))


def test_fit_crops_pads_or_stretches(tmp_path):
    array = np.zeros((16, 32), np.uint8)
    array[:, 8:24] = 255  # a white square in the middle, black on both sides
    image = Image.fromarray(array)
    assert (read(tmp_path, image, 16, "crop") == 255).all()
    padded = read(tmp_path, image, 32, "pad")[0]
    assert (padded[8:24] == array).all()
    assert (padded[:8] == 0).all()
    stretched = read(tmp_path, image, 16, "stretch")[0]
    assert (stretched[:, 6:10] > 240).all()
    assert (stretched[:, :3] < 15).all()


def test_transparent_is_black_whatever_lies_below(tmp_path):
    array = np.full((10, 10, 4), 255, np.uint8)
    array[:5, :, 3] = 0
    found = read(tmp_path, Image.fromarray(array), channels=3)
    assert (found[:, :5] == 0).all()
    assert (found[:, 5:] == 255).all()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    array = np.linspace(0, 65535, 100).astype(np.uint16).reshape(10, 10)
    found = read(tmp_path, Image.fromarray(array))
    assert np.array_equal(found[0], array // 257)
    assert len(np.unique(found)) == 100


def test_bilevel_and_palette_images_become_grey(tmp_path):
    array = np.arange(100).reshape(10, 10) % 2 == 0
    assert np.array_equal(read(tmp_path, Image.fromarray(array))[0], array * np.uint8(255))
    palette = Image.fromarray(array * np.uint8(255)).convert("P")
    assert np.array_equal(read(tmp_path, palette)[0], array * np.uint8(255))


def test_the_camera_was_held_upright(tmp_path):
    array = np.zeros((10, 20), np.uint8)
    array[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise
    path = tmp_path / "photo.png"
    Image.fromarray(array).save(path, exif=exif)
    found = _images.read(path, None, "crop", 1)[0]
    assert found.shape == (20, 10)
    assert found[0, -1] == 255


def test_postscript_is_never_run(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *args: asked.append(args))
    assert read(tmp_path, Image.new("L", (10, 10)), suffix="eps") is None
    assert asked == []


def test_bombs_and_floats_are_skipped(tmp_path, monkeypatch):
    assert read(tmp_path, Image.new("F", (10, 10)), suffix="tiff") is None
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)
    assert read(tmp_path, Image.new("L", (12, 12))) is not None
    assert read(tmp_path, Image.new("L", (14, 14))) is None
    assert read(tmp_path, Image.new("L", (40, 40))) is None


def test_kept_sizes_must_be_equal(root):
    fill(root)
    assert load(root, size=None).images.shape == (8, 3, 28, 28)
    write_all(root / "cat", {"9.png": png(pixels(20, 30, 3))})
    with pytest.raises(
        UserError, match=r"9\.png: is 20×30 pixels, the images before it 28×28; .*size"
    ):
        load(root, size=None)


def test_folders_without_pictures_are_one_clear_error(root):
    root.mkdir()
    with pytest.raises(UserError, match=f"data.path={root}: has no sub-folder with images; must"):
        load(root)
    write_all(root, {"0.png": png(pixels(28, 28))})  # not in a sub-folder
    with pytest.raises(UserError, match="has no sub-folder with images; must"):
        load(root)
    write_all(root / "notes", {"a.txt": b"a", "b.txt": b"b"})
    with pytest.raises(UserError, match="none of its 2 files is a readable image"):
        load(root)


def test_small_pictures_are_refused_unless_resized(root):
    write_all(root / "a", {f"{i}.png": png(pixels(5, 5, seed=i)) for i in range(9)})
    assert load(root, size=8).images.shape[1:] == (3, 8, 8)
    with pytest.raises(UserError, match="images are 5×5; must be 8×8 or larger"):
        load(root, size=None)


def test_a_read_only_folder_stays_as_it_was(tmp_path):
    root = tmp_path / "root"
    fill(root)
    with read_only(root):
        load(root)


def test_an_interrupted_decoding_resumes_where_it_was(root, monkeypatch):
    fill(root, n=50)
    write_all(root / "ant", {"0a.txt": b"no image"})
    whole = load(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(root.parent / "other"))
    monkeypatch.setattr(folder, "_SAVE_EVERY", 20)
    read, decode_all, seen = _images.read, _images.decode_all, []

    def noted(path, *args, **options):
        seen.append(path)
        return read(path, *args, **options)

    def interrupted(*args):
        yield from islice(decode_all(*args), 90)
        raise KeyboardInterrupt

    monkeypatch.setattr(_images, "read", noted)
    monkeypatch.setattr(_images, "decode_all", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(root)
    monkeypatch.setattr(_images, "decode_all", decode_all)
    seen.clear()
    resumed = load(root)
    assert len(seen) == 20  # of 101 files: 80 images and the text were kept
    assert np.array_equal(resumed.images, whole.images)
    assert resumed.labels.tolist() == whole.labels.tolist()
    assert resumed.skipped == whole.skipped == ("ant/0a.txt",)


def test_many_images_are_decoded_by_processes_in_the_same_order(root, monkeypatch):
    fill(root)
    write_all(root / "ant", {"x.png": b""})
    whole = load(root)
    monkeypatch.setenv("XDG_CACHE_HOME", str(root.parent / "other"))
    monkeypatch.setattr(_images, "_MANY", 1)
    monkeypatch.setattr(_images, "_CHUNK", 3)
    by_processes = load(root)
    assert np.array_equal(by_processes.images, whole.images)
    assert by_processes.skipped == whole.skipped == ("ant/x.png",)


def test_a_decoding_that_nobody_goes_on_with_is_deleted(root):
    left = data.cache_dir() / "decoded" / "folder-v2-gone.part"
    write_all(left, {"images.npy": b"x"})
    fill(root)
    load(root)
    assert left.exists()
    for path in (left / "images.npy", left):
        os.utime(path, (1e9, 1e9))
    load(root, size=16)
    assert not left.exists()


def test_names_that_are_not_utf8_are_shown_all_the_same(root):
    fill(root)
    strange = Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9"))
    try:
        strange.mkdir()
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    for name, content in ((b"a\xff.png", png(pixels(28, 28, 3))), (b"b\xff.png", b"")):
        (strange / os.fsdecode(name)).write_bytes(content)
    source = load(root)
    assert source.class_names == ("ant", "caf\\xe9", "cat")
    assert source.skipped == ("caf\\xe9/b\\xff.png",)
    assert len(source.images) + len(source.test_images) == 11


@pytest.mark.parametrize(
    "suffix", ["avif", "dds", "jpg", "jp2", "webp", "tiff", "gif", "bmp", "ppm", "tga", "spider"]
)
def test_damaged_images_of_any_format_are_skipped_or_read(tmp_path, suffix):
    path, random = tmp_path / f"image.{suffix}", np.random.RandomState(0)
    image = Image.fromarray(pixels(20, 20)) if suffix == "spider" else None
    image = image.convert("F") if image else Image.fromarray(pixels(20, 20, 3))
    try:
        image.save(path, "SPIDER" if suffix == "spider" else None)
    except (KeyError, OSError, ValueError):
        pytest.skip(f"this Pillow does not write {suffix}")
    whole = path.read_bytes()
    paths = []
    for i in range(60):
        content = bytearray(whole[: random.randint(1, len(whole) + 1)])
        for place in random.randint(0, len(content), 5):
            content[place] = random.randint(256)
        paths.append(str(tmp_path / f"{i}.{suffix}"))
        Path(paths[-1]).write_bytes(bytes(content))
    read = partial(_images.read, size=16, fit="crop", channels=3)
    found = list(_images.decode_all(read, paths))
    assert all(image is None or image.shape == (3, 16, 16) for image in found)
    assert any(image is None for image in found)
