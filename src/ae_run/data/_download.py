"""Download data files: mirrors, known hashes, one process at a time, errors that say what to do.

requests transfers a file and pooch checks its hash. A known hash is written as pooch takes it,
`sha256:…` or `md5:…`.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ae_run.data import _files
from ae_run.errors import UserError
from ae_run.schema import DownloadConfig

if TYPE_CHECKING:
    from requests import Response

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
    from tqdm import tqdm

    limit = size or _LARGEST
    with (
        _answer(address) as response,
        part.open("wb") as file,
        tqdm(desc=name, unit="B", unit_scale=True, leave=False, disable=None) as bar,
    ):
        bar.total = int(response.headers.get("Content-Length", 0)) or None
        # As they come: some servers declare every .gz gzip-encoded, which is not to be unpacked.
        for piece in _pieces(response.raw):
            if file.tell() + len(piece) > limit:
                raise ValueError(f"longer than {limit:,} bytes")
            file.write(piece)
            bar.update(len(piece))
        _files.sync(file)
        received = file.tell()
    if size is not None and received != size:
        raise ValueError(f"{received:,} bytes instead of {size:,}")


def _answer(address: str) -> "Response":
    """What a server answers, up to its headers; the content is still to be read.

    Raises:
        OSError: no connection, no answer within a minute, or another one than the file.
    """
    import requests

    answers: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

    def ask() -> None:
        headers = {"User-Agent": "ae-run", "Accept-Encoding": "identity"}
        try:
            answers.put(requests.get(address, headers=headers, timeout=_TIMEOUT, stream=True))
        except Exception as error:
            answers.put(error)

    # `timeout` is for each byte: a thread can be left alone with a server that sends one now and
    # then.
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=_WINDOW)
    except queue.Empty:
        raise TimeoutError(0, f"no answer within {_WINDOW:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    answer.raise_for_status()
    return answer


def _pieces(raw: Any) -> Iterator[bytes]:
    """What arrives, as it arrives.

    Raises:
        OSError: the connection breaks, or is too slow.
    """
    from urllib3.exceptions import HTTPError

    started, received = time.monotonic(), 0
    while True:
        try:
            piece = raw.read1(_CHUNK)
        except HTTPError as error:
            raise OSError(str(error)) from error
        if not piece:
            return
        yield piece
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
