"""Downloads: mirrors, a digest, a lock, a temporary name, and an error that says what to do."""

import hashlib
import http.client
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ae_run.config import DownloadConfig
from ae_run.data import _files
from ae_run.errors import UserError

_TIMEOUT = 30.0  # seconds without a byte
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
    md5: str | None = None,
    size: int | None = None,
) -> Path:
    """The path of a file of a data set, downloaded if it is not there.

    A file that is there is taken as it is; digest and size are those of the download.

    Args:
        relative: its path below the root.
        config: the root, and whether to download.
        addresses: as for `fetch`.
        md5: as for `fetch`.
        size: as for `fetch`.

    Raises:
        UserError: see `fetch`.
    """
    found = _files.find(relative, config.root)
    if found:
        return found
    path = _files.target(relative, config.root)
    return fetch(path, addresses, md5=md5, size=size, download=config.download)


def obtain_set(
    folder: str, names: Mapping[str, str], config: DownloadConfig, mirrors: Sequence[str]
) -> list[Path]:
    """The paths of files that belong together, downloaded if they are not there.

    Args:
        folder: below the root.
        names: each file's md5.
        config: as for `obtain`; its mirrors, if it has any, replace the given ones.
        mirrors: addresses of the folder that holds the files.

    Raises:
        UserError: see `fetch`.
    """
    paths: list[Path] = []
    for name, md5 in names.items():
        addresses = urls(name, config.mirrors or mirrors)
        try:
            paths.append(obtain(f"{folder}/{name}", config, addresses, md5=md5))
        except UserError as error:
            rest = list(names)[len(paths) + 1 :]
            more = f"; with it, unless they are there: {', '.join(rest)}" if rest else ""
            raise UserError(f"{error}{more}") from None
    return paths


def verify(path: Path, md5: str) -> None:
    """Check that a file is the published one.

    Raises:
        UserError: its digest is another.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != md5:
        raise UserError(
            f"{path}: md5 is {found}, must be {md5}: it is damaged or another version; "
            "delete it to have it downloaded again, or put the right one there"
        )


def fetch(
    path: Path,
    addresses: Sequence[str],
    *,
    md5: str | None = None,
    size: int | None = None,
    download: bool = True,
) -> Path:
    """Download a file to `path` unless it is there; of many processes only one does it.

    Args:
        path: where it goes; its folder is made.
        addresses: http or https; tried in turn until one gives the right bytes.
        md5: hex digest to check, if known.
        size: in bytes, to check, if known.
        download: False only says what is missing.

    Returns:
        `path`.

    Raises:
        UserError: no address gave the file; the message names it, every address, and `path`.
    """
    if path.is_file():
        return path
    if not download:
        raise UserError(
            f"{path.name}: not there, and data.download=false; fetch it from "
            f"{' or '.join(addresses)} and put it at {path}, or set data.download=true"
        )
    for address in addresses:
        if urlsplit(address).scheme not in ("http", "https"):
            raise UserError(f"data.mirrors={address}: must start with http:// or https://")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path}: its folder cannot be made ({_reason(error)}); set data.root to a folder "
            f"that can be written, or fetch {path.name} from {' or '.join(addresses)} and put it "
            "into one"
        ) from None
    with _files.locked(path):
        if not path.is_file():  # else another process fetched it while this one waited
            _from_first(path, addresses, md5, size)
    return path


def _from_first(path: Path, addresses: Sequence[str], md5: str | None, size: int | None) -> None:
    """Replace `path` by what the first good address gives."""
    tried = []
    for address in addresses:
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.tmp")
        try:
            with temporary.open("wb") as file:
                _download(address, file, path.name, md5, size)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            return
        except (OSError, http.client.HTTPException, ValueError) as error:
            tried.append(f"{address} ({_reason(error)})")
        finally:
            with suppress(OSError):
                temporary.unlink()
    raise UserError(_failure(path, tried))


def _download(address: str, file: IO[bytes], name: str, md5: str | None, size: int | None) -> None:
    """Write an address's bytes into a file.

    Raises:
        OSError: no connection, or an answer other than the file.
        HTTPException: the server broke off.
        ValueError: it is not the right file.
    """
    from tqdm import tqdm

    print(f"downloading {address}", file=sys.stderr)
    digest, received = hashlib.md5(usedforsecurity=False), 0
    request = Request(address, headers={"User-Agent": "ae-run"})
    with build_opener(_HttpOnly).open(request, timeout=_TIMEOUT) as response:
        length = response.headers.get("Content-Length", "")
        announced = int(length) if length.isdecimal() else size
        with tqdm(
            total=announced, desc=name, unit="B", unit_scale=True, leave=False, disable=None
        ) as bar:
            while chunk := response.read(_CHUNK):
                received += len(chunk)
                if received > (size or _LARGEST):
                    raise ValueError(f"longer than {size or _LARGEST:,} bytes")
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
    if announced is not None and received < announced:
        raise ValueError(f"broke off after {received:,} of {announced:,} bytes")
    if size is not None and received != size:
        raise ValueError(f"{received:,} bytes instead of {size:,}")
    if md5 is not None and digest.hexdigest() != md5:
        raise ValueError(f"md5 {digest.hexdigest()} instead of {md5}")


class _HttpOnly(HTTPRedirectHandler):
    """Follows no redirect to another protocol; urllib by itself would go on with ftp."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """See the base class."""
        if urlsplit(newurl).scheme not in ("http", "https"):
            raise URLError(f"redirects to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP {error.code} {error.reason}"
    inner = error.reason if isinstance(error, URLError) else error
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return str(inner) or type(inner).__name__


def _failure(path: Path, tried: Sequence[str]) -> str:
    return (
        f"{path.name}: cannot be downloaded: tried {' and '.join(tried)}; "
        f"fetch it from there by other means and put it at {path}"
    )
