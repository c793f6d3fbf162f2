"""Decoded arrays come from the cache, and never worse than without one."""

import errno
import threading
from pathlib import Path

import numpy as np
import pytest
from data_helpers import pixels

from ae_run.data import _cache, cache_dir

ARRAYS = {"images": pixels(20, 1, 8, 8), "names": np.array(["a", "ü"]), "none": np.array((), "U1")}


class Decoder:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, sink: _cache.Sink) -> _cache.Arrays:
        self.calls += 1
        for start in range(0, 20, 7):
            sink.append("images", ARRAYS["images"][start : start + 7])
        return {name: array for name, array in ARRAYS.items() if name != "images"}


def load(decode: Decoder, version: int = 1, key: str = "key") -> None:
    arrays = _cache.decoded("set", version, key, decode)
    assert set(arrays) == set(ARRAYS)
    assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)


def cached() -> Path:
    """The file of the images."""
    (path,) = (cache_dir() / "decoded").glob("*/images.npy")
    return path


def test_the_second_time_nothing_is_decoded():
    decode = Decoder()
    load(decode)
    load(decode)
    assert decode.calls == 1


def test_other_content_or_decoder_is_decoded_again():
    decode = Decoder()
    load(decode)
    load(decode, key="other")
    load(decode, version=2)
    assert decode.calls == 3


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, -1])
def test_a_truncated_cache_is_decoded_again(keep):
    decode = Decoder()
    load(decode)
    content = cached().read_bytes()
    end = int(keep * len(content)) if isinstance(keep, float) else keep
    cached().write_bytes(content[:end])
    load(decode)
    load(decode)
    assert decode.calls == 2


def test_a_flipped_bit_is_noticed():
    decode = Decoder()
    load(decode)
    content = bytearray(cached().read_bytes())
    content[content.index(ARRAYS["images"].tobytes()) + 5] ^= 1
    cached().write_bytes(content)
    load(decode)
    assert decode.calls == 2


def test_pickles_in_the_cache_are_not_read():
    decode = Decoder()
    load(decode)
    np.save(cached(), np.array([{}], object))
    load(decode)
    assert decode.calls == 2


def test_without_a_folder_for_the_cache_it_still_works(tmp_path, monkeypatch, capsys):
    (tmp_path / "plain").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "plain"))
    load(Decoder())
    assert "cannot be written" in capsys.readouterr().err


def test_on_a_full_disk_it_still_works(monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(_cache, "write_bytes", full)
    load(Decoder())
    assert "No space left" in capsys.readouterr().err


def test_many_at_once_decode_once():
    decode, barrier = Decoder(), threading.Barrier(8)

    def work():
        barrier.wait()
        load(decode)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert decode.calls == 1


def test_a_decoder_that_fails_leaves_nothing(tmp_path):
    def fail(sink):
        sink.append("images", ARRAYS["images"])
        raise KeyError("x")

    with pytest.raises(KeyError):
        _cache.decoded("set", 1, "key", fail)
    assert not list((tmp_path / "cache").rglob("*.npy"))
    load(Decoder())


def test_the_digest_sees_content_order_and_options(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    files = [(one, two), (two, one), (one,)]
    found = {_cache.digest(paths, *options) for paths in files for options in ((), ("x",), (1,))}
    assert len(found) == 9
    before = _cache.digest([one])
    one.write_bytes(b"3")
    assert _cache.digest([one]) != before
