"""Files that are replaced in one step."""

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

_RETRY_SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0)  # a virus scanner takes less, a spreadsheet more


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically: a reader sees the old content or the new, never a mixture."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(3)}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _replace(temporary: Path, path: Path) -> None:
    """Move a file over another one, which on Windows another program may be reading just now."""
    for seconds in _RETRY_SECONDS:
        with suppress(PermissionError):
            temporary.replace(path)
            return
        time.sleep(seconds)
    temporary.replace(path)
