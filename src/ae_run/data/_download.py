"""Download data files: mirrors, known hashes, one process at a time, errors that say what to do.

pooch transfers a file and checks its hash. A known hash is written as pooch takes it, `sha256:…` or
`md5:…`.
"""

import io
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ae_run.data import _files
from ae_run.errors import UserError
from ae_run.schema import DownloadConfig

_TIMEOUT = 30.0  # seconds without a byte
_WINDOW, _LEAST = 60.0, 60_000  # bytes in so many seconds; a server may also send one now and then
_CHUNK = 1 << 16
_LARGEST = 1 << 31  # bytes; none of these data sets comes near it


def urls(name: str, mirrors: Sequence[str]) -> list[str]:
    """A file's address on each mirror."""
    return [f"{mirror.rstrip('/')}/{name}" for mirror in mirrors]


def obtain(
    relative: str,
    config: DownloadConfig,
    addresses: Sequence[str],
    *,
    known_hash: str | None = None,
    size: int | None = None,
) -> Path:
    """The path of a data file, downloaded if missing.

    An existing file is used as it is; only a download has its hash and size checked.

    Args:
        relative: its path below the root.
        config: the root, and whether to download.
        addresses: as for `fetch`.
        known_hash: as for `fetch`.
        size: as for `fetch`.

    Raises:
        UserError: see `fetch`.
    """
    found = _files.find(relative, config.root)
    if found:
        return found
    path = _files.target(relative, config.root)
    return fetch(path, addresses, known_hash=known_hash, size=size, download=config.download)


def obtain_set(
    folder: str, hashes: Mapping[str, str], config: DownloadConfig, mirrors: Sequence[str]
) -> list[Path]:
    """The paths of files that belong together, downloaded if missing.

    Args:
        folder: below the root.
        hashes: each file's known hash, by its name.
        config: as for `obtain`; its mirrors, if any, replace the given ones.
        mirrors: addresses of the folder that holds the files.

    Raises:
        UserError: see `fetch`.
    """
    paths: list[Path] = []
    for name, known_hash in hashes.items():
        addresses = urls(name, config.mirrors or mirrors)
        try:
            paths.append(obtain(f"{folder}/{name}", config, addresses, known_hash=known_hash))
        except UserError as error:
            rest = list(hashes)[len(paths) + 1 :]
            more = f". Also needed if missing: {', '.join(rest)}" if rest else ""
            raise UserError(f"{error}{more}") from None
    return paths


def verify(paths: Iterable[Path], hashes: Mapping[str, str]) -> None:
    """Check that files are the published ones; one without a known hash passes.

    Raises:
        UserError: the hash of a file differs.
    """
    import pooch

    for path in paths:
        if path.name not in hashes:
            continue
        algorithm, _, expected = hashes[path.name].partition(":")
        found = pooch.file_hash(path, algorithm)
        if found != expected:
            raise UserError(
                f"{path}: {algorithm} is {found}, must be {expected}: the file is corrupt or "
                "another version; delete it to download it again, or put the published one there"
            )


def fetch(
    path: Path,
    addresses: Sequence[str],
    *,
    known_hash: str | None = None,
    size: int | None = None,
    download: bool = True,
) -> Path:
    """Download a file to `path` unless it exists; of several processes, one downloads it.

    Args:
        path: the destination; its folder is created.
        addresses: http or https; tried in turn until one gives the right bytes.
        known_hash: to check, such as `md5:…`.
        size: in bytes, to check.
        download: False to raise an error instead if the file is missing.

    Returns:
        `path`.

    Raises:
        UserError: no address gave the file; the message names it, every address, and `path`.
    """
    if path.is_file():
        return path
    if not download:
        raise UserError(
            f"{path.name}: missing, and data.download=false; set data.download=true, or download "
            f"it manually from {' or '.join(addresses)} to {path}"
        )
    for address in addresses:
        if not _is_web(address):
            rule = "must start with http:// or https:// and name a host"
            raise UserError(f"data.mirrors={address}: {rule}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: its folder cannot be created ({error.strerror}); set data.root to a writable "
            f"folder, or download {path.name} manually from {' or '.join(addresses)} to one"
        ) from None
    with _files.locked(path) as alone:
        if not path.is_file():  # else another process downloaded it while this one waited
            # Under the lock one name will do, and what a killed process left is written over.
            part = path.with_name(f".{path.name}{'' if alone else f'.{os.getpid()}'}.part")
            _from_first(path, part, addresses, known_hash, size)
    return path


def _is_web(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _from_first(
    path: Path, part: Path, addresses: Sequence[str], known_hash: str | None, size: int | None
) -> None:
    """Download `path`, first called `part`, from the first address that gives the right bytes."""
    from pooch.hashes import hash_matches

    failures = []
    for address in addresses:
        print(f"downloading {address}", file=sys.stderr)
        try:
            _transfer(address, part, path.name, size)
            hash_matches(part, known_hash, strict=True, source=path.name)
            part.replace(path)
            return
        except (OSError, ValueError) as error:
            failures.append(f"{address} ({_reason(error)})")
        finally:
            part.unlink(missing_ok=True)
    raise UserError(
        f"{path.name}: cannot be downloaded: tried {' and '.join(failures)}. "
        f"Download it manually to {path}"
    )


def _transfer(address: str, part: Path, name: str, size: int | None) -> None:
    """Write an address's bytes to a file.

    Raises:
        OSError: no connection, a broken or slow one, or an answer other than the file.
        ValueError: the size is wrong.
    """
    from pooch import HTTPDownloader
    from tqdm import tqdm

    with ExitStack() as opened:
        bar = opened.enter_context(
            tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=None)
        )
        file = opened.enter_context(_LimitedFile(part, size or _LARGEST))

        def as_it_comes(response: Any, **_: object) -> None:
            opened.callback(response.close)
            bar.total = int(response.headers.get("Content-Length", 0)) or None
            # Some servers declare every .gz gzip-encoded; requests would unpack it.
            response.raw.headers.pop("Content-Encoding", None)
            # Nor shall requests wait until a chunk is full.
            response.raw.stream = partial(_pieces, response.raw, bar)

        download = HTTPDownloader(
            chunk_size=_CHUNK,
            timeout=_TIMEOUT,
            headers={"User-Agent": "ae-run", "Accept-Encoding": "identity"},
            hooks={"response": as_it_comes},
        )
        download(address, file, None)
        os.fsync(file.fileno())
        received = file.tell()
    if size is not None and received != size:
        raise ValueError(f"{received:,} bytes instead of {size:,}")


class _LimitedFile(io.BufferedWriter):
    """An empty file that refuses to grow beyond a limit: a server may send anything."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__(io.FileIO(path, "w"))
        self._limit = limit

    def write(self, chunk: Any) -> int:
        """See the base class."""
        if self.tell() + len(chunk) > self._limit:
            raise ValueError(f"longer than {self._limit:,} bytes")
        return super().write(chunk)


def _pieces(raw: Any, bar: Any, at_most: int, **_: object) -> Iterator[bytes]:
    """What arrives, as it arrives.

    Raises:
        TimeoutError: it arrives too slowly.
    """
    started, received = time.monotonic(), 0
    while piece := raw.read1(at_most):
        yield piece
        bar.update(len(piece))
        received += len(piece)
        if (seconds := time.monotonic() - started) < _WINDOW:
            continue
        if received < _LEAST:
            raise TimeoutError(0, f"only {received:,} bytes in {seconds:.0f} s")
        started, received = time.monotonic(), 0


def _reason(error: BaseException) -> str:
    """Why a download failed, in a few words."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code} {response.reason}"
    while error.__context__ and not getattr(error, "strerror", None):  # requests wraps the cause
        error = error.__context__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # Of pooch's message about a wrong hash, only the first sentence is specific.
    return str(error).partition(". ")[0] or type(error).__name__
