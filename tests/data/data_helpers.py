"""What the tests of data sets share: real configs, small files, and a web server."""

import gzip
import io
import os
import struct
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from ae_run import components

# Absolute, and taken here: tests run in folders of their own.
_REAL = Path(os.environ["AE_RUN_DATA"]).absolute() if os.environ.get("AE_RUN_DATA") else None


def make_config(name: str, **changes: Any) -> Any:
    """The data set's own YAML, with some values changed."""
    raw = yaml.safe_load((components.conf_dir() / "data" / f"{name}.yaml").read_text("utf-8"))
    assert set(changes) <= set(raw), "no such key"
    return components.module("data", name).Config.model_validate(raw | changes)


def real_data() -> Path:
    """The folder with the published data sets; the test is skipped where there is none."""
    if _REAL is None:
        pytest.skip("needs the published data sets; set AE_RUN_DATA to their folder")
    return _REAL


def pixels(*shape: int, seed: int = 0) -> np.ndarray:
    """Random uint8 images."""
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    """A uint8 array in the idx format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist_files(n: int = 60, n_test: int = 20) -> dict[str, bytes]:
    """Four gzipped idx files, called as MNIST's, with random images."""
    arrays = {
        "train-images-idx3-ubyte.gz": pixels(n, 28, 28),
        "train-labels-idx1-ubyte.gz": np.arange(n, dtype=np.uint8) % 10,
        "t10k-images-idx3-ubyte.gz": pixels(n_test, 28, 28, seed=1),
        "t10k-labels-idx1-ubyte.gz": np.arange(n_test, dtype=np.uint8) % 10,
    }
    return {name: gzip.compress(idx_bytes(array), mtime=0) for name, array in arrays.items()}


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def png(array: np.ndarray) -> bytes:
    """An image as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def member(name: str, content: bytes = b"", **changes: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member of an archive."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A `.tar.gz`."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below one, with its size and time of change."""
    stats = ((path, path.stat()) for path in sorted(folder.rglob("*")))
    return {str(path): (stat.st_size, stat.st_mtime_ns) for path, stat in stats}


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the write bits off a folder and all below; what lies in it must come out the same."""
    paths = [folder, *folder.rglob("*")]
    before = tree(folder)
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        yield
        assert tree(folder) == before
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)


@dataclass
class Server:
    """A web server on this machine."""

    url: str
    asked: list[str] = field(default_factory=list)
    """The paths that were asked for, in order."""


@contextmanager
def serving(
    files: Mapping[str, bytes],
    *,
    redirects: Mapping[str, str] | None = None,
    announce: int = 0,
    delay: float = 0,
    pause: float = 0,
    head_pause: float = 0,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Serve files by their paths, anything else with 404.

    Args:
        files: content by path.
        redirects: address by path.
        announce: bytes that the header promises beyond those that are sent.
        delay: seconds before an answer.
        pause: seconds between any two bytes.
        head_pause: seconds between any two bytes of an endless line before the content.
        headers: sent with every file.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append(self.path)
            time.sleep(delay)
            if self.path in (redirects or {}):
                self.send_response(302)
                self.send_header("Location", redirects[self.path])
                self.end_headers()
            elif self.path in files:
                content = files[self.path]
                self.send_response(200)
                if head_pause:
                    self.flush_headers()
                    with suppress(ConnectionError):
                        for byte in b"X-Slow: " + b"x" * 300:
                            self.wfile.write(bytes([byte]))
                            time.sleep(head_pause)
                    return
                self.send_header("Content-Length", str(len(content) + announce))
                for key, value in (headers or {}).items():
                    self.send_header(key, value)
                self.end_headers()
                pieces = [content[i : i + 1] for i in range(len(content))] if pause else [content]
                with suppress(ConnectionError):  # the client has had enough
                    for piece in pieces:
                        self.wfile.write(piece)
                        time.sleep(pause)
            else:
                self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{httpd.server_port}")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def dead_address() -> str:
    """An address at which nobody answers."""
    with serving({}) as server:
        pass
    return server.url
