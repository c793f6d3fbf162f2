"""The run folder: created once, locked while written, every file replaced atomically.

The README lists its files. All of them are plain files that can be copied anywhere.
"""

import csv
import io
import json
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import yaml

from ae_run import console, processes
from ae_run.atomic import write_bytes
from ae_run.errors import FolderInUse, UserError
from ae_run.saved_config import upgraded

if TYPE_CHECKING:
    from filelock import BaseFileLock

T = TypeVar("T")

WEIGHTS, RESUME = "model.safetensors", "resume.pt"
"""The best weights; the state after the last finished epoch, from which training resumes."""
SNAPSHOTS = "snapshots.npz"
"""Reconstructions of the same images over the course of training."""
REPLICAS = "replicas.json"
"""Scores over the seeds of `train.replicas`."""

_STAGES = {
    "trained": ("epochs_done", ()),
    "scored": ("epochs_scored", ("metrics.json", "artifacts.npz")),
    "drawn": ("epochs_drawn", ("report.html",)),
}
"""Stages in order: the key in `run.json` with the epochs behind the stage's files, and these."""

_LONGEST_NAME = 60


def file_name(text: str) -> str:
    """A text as part of a file's name: only characters that no shell reads apart."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "-", text).strip("-.")


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path, quiet: bool = False) -> None:
        """A `quiet` folder's messages go to `log.txt` only, as all do with `-q`."""
        self.path = path
        self.quiet = quiet or console.quiet
        self._lock: BaseFileLock | None = None

    @classmethod
    def create(
        cls,
        run_dir: str | None,
        label: str,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> "RunFolder":
        """A new folder: `run_dir`, or `outputs/<label>/<time>-<random>[-<name>]`.

        With a `config`, it has its name only once its `config.yaml` is in it: whenever the process
        is killed, there is no folder yet, or one that can be resumed.

        Raises:
            UserError: `run_dir` already exists, or cannot be created.
        """
        if run_dir is None:
            parts = [f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"]
            parts += [word] if (word := file_name(name or "")[:_LONGEST_NAME]) else []
            path = Path("outputs") / label / "-".join(parts)
        else:
            path = processes.expanded(run_dir)
        hidden = path.with_name(f".{secrets.token_hex(6)}.tmp")
        try:
            if config is None or path.exists():
                path.mkdir(parents=True, exist_ok=False)
                return cls(path)
            hidden.mkdir(parents=True)
            cls(hidden).write_yaml("config.yaml", config)
            hidden.rename(path)
        except OSError as error:
            shutil.rmtree(hidden, ignore_errors=True)
            if path.exists():
                raise UserError(
                    f"run_dir={path}: already exists; choose another, "
                    f"or resume it: ae-run resume={path}"
                ) from None
            raise UserError(f"run_dir={path}: cannot be created: {error.strerror}") from None
        return cls(path)

    @classmethod
    def open(cls, path: str, key: str) -> "RunFolder":
        """The folder of an existing run; `key` is the config key that names it.

        Raises:
            UserError: no such folder, or not a run folder.
        """
        folder = processes.expanded(path)
        if not folder.is_dir():
            raise UserError(f"{key}={path}: no such run folder")
        if not (folder / "config.yaml").is_file():
            raise UserError(f"{key}={path}: not a run folder (no config.yaml)")
        return cls(folder)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing into this folder; released when a process dies.

        Reentrant for the same object.

        Raises:
            FolderInUse: another process has it.
            UserError: the folder cannot be written to.
        """
        from filelock import FileLock, Timeout

        self._lock = self._lock or FileLock(self.path / ".lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise FolderInUse(f"{self.path}: another process is working in this folder") from None
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written to: {error.strerror}") from None
        try:
            yield
        finally:
            self._lock.release()

    def file(self, name: str) -> Path:
        """The path of a file in this folder."""
        return self.path / name

    def has(self, name: str) -> bool:
        """Whether a file exists."""
        return self.file(name).is_file()

    def epochs_saved(self) -> int:
        """The number of finished epochs."""
        return len(self.read_csv("history.csv"))

    def mark(self, stage: str) -> None:
        """Record that a stage's files are up to date, and that later stages are not."""
        names = list(_STAGES)
        later = {_STAGES[name][0]: None for name in names[names.index(stage) + 1 :]}
        self.update_json("run.json", **{_STAGES[stage][0]: self.epochs_saved()}, **later)

    def is_current(self, stage: str) -> bool:
        """Whether a stage's files exist and are up to date with training."""
        key, files = _STAGES[stage]
        known = self.read_json("run.json").get(key)
        return known == self.epochs_saved() and all(self.has(name) for name in files)

    def say(self, text: str = "") -> None:
        """Print, and append to `log.txt`."""
        if not self.quiet:
            console.say(text)
        self._append(text)

    def log(self, text: str) -> None:
        """Append to `log.txt`; print with `-v` only."""
        if console.verbose and not self.quiet:
            console.say(text)
        self._append(text)

    def _append(self, text: str) -> None:
        with suppress(OSError), self.file("log.txt").open("a", encoding="utf-8") as file:
            file.write(text + "\n")  # on a full disk, what matters more is about to fail

    def write_yaml(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a YAML file."""
        text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
        write_bytes(self.file(name), text.encode())

    def read_yaml(self, name: str) -> dict[str, Any]:
        """A YAML file's mapping; nothing in it is executed or resolved.

        Raises:
            UserError: the file is missing or not a YAML mapping, or a key has another type.
        """
        return self._sound(name, *self.salvage_mapping(name))

    def read_config(self) -> dict[str, Any]:
        """The run's saved config, upgraded to this version.

        Raises:
            UserError: as for `read_yaml`.
        """
        return upgraded(self.read_yaml("config.yaml"))

    def salvage_mapping(self, name: str) -> tuple[dict[str, Any], list[str]]:
        """What of a JSON or YAML file can be used, and one line for each key that cannot.

        Raises:
            UserError: the file is missing or holds no mapping.
        """
        from ae_run import saved_files

        is_yaml = name.endswith(".yaml")
        kind, parse = ("YAML", saved_files.parse_yaml) if is_yaml else ("JSON", json.loads)
        content = self._parsed(name, kind, parse)
        if not isinstance(content, dict):
            raise UserError(f"{self.file(name)}: must contain a {kind} mapping or object")
        return saved_files.sound_mapping(name, content)

    def _parsed(self, name: str, kind: str, parse: Callable[[bytes], T]) -> T:
        """What a file holds; `parse` raises `ValueError` if it is of another kind."""
        try:
            return parse(self.file(name).read_bytes())
        except FileNotFoundError:
            raise UserError(f"{self.file(name)}: missing") from None
        except OSError as error:
            raise UserError(f"{self.file(name)}: not readable: {error.strerror}") from None
        except (ValueError, RecursionError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{self.file(name)}: not readable as {kind}: {reason}") from None

    def _sound(self, name: str, content: T, wrong: Sequence[str]) -> T:
        """The content, if nothing is wrong with it."""
        if wrong:
            more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise UserError(f"{self.file(name)}: {wrong[0]}{more}")
        return content

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a JSON file. NaN and infinity are refused."""
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        write_bytes(self.file(name), (text + "\n").encode())

    def read_json(self, name: str) -> dict[str, Any]:
        """A JSON file's object.

        Raises:
            UserError: the file is missing or not a JSON object, or a key has another type.
        """
        return self._sound(name, *self.salvage_mapping(name))

    def update_json(self, name: str, **changes: Any) -> None:
        """Change some keys of a JSON file, which need not exist yet."""
        old = self.read_json(name) if self.has(name) else {}
        self.write_json(name, old | changes)

    def write_csv(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Replace a CSV file; the header is the union of the rows' keys, in order."""
        header = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_bytes(self.file(name), text.getvalue().encode())

    def read_csv(self, name: str) -> list[dict[str, str]]:
        """A CSV file's rows; none if there is no file.

        Raises:
            UserError: it is no CSV file, or a number is none.
        """
        return self._sound(name, *self.salvage_csv(name))

    def salvage_csv(self, name: str) -> tuple[list[dict[str, str]], list[str]]:
        """The rows without the cells that cannot be used, and one line for each of their columns.

        Raises:
            UserError: it is no CSV file.
        """
        from ae_run import saved_files

        if not self.has(name):
            return [], []
        rows = self._parsed(name, "CSV", saved_files.parse_csv)
        return saved_files.sound_history(rows) if name == "history.csv" else (rows, [])

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Replace an `.npz` file; object arrays are refused, since they would be pickled."""
        buffer = io.BytesIO()
        for key, array in arrays.items():
            if array.dtype == object:
                raise TypeError(f"{name}: {key} is an object array")
        np.savez_compressed(buffer, **dict(arrays))  # type: ignore[arg-type]
        write_bytes(self.file(name), buffer.getvalue())

    def read_arrays(self, name: str) -> dict[str, np.ndarray]:
        """All arrays of an `.npz` file.

        Raises:
            UserError: the file is missing or corrupt, or an array has another type or shape.
        """
        return self._sound(name, *self.salvage_arrays(name))

    def salvage_arrays(
        self, name: str, only: Collection[str] | None = None
    ) -> tuple[dict[str, np.ndarray], list[str]]:
        """The arrays that can be used, and one line for each of the others.

        Args:
            name: of the file.
            only: the arrays to read; None: all.

        Raises:
            UserError: the file is missing, or corrupt as a whole.
        """
        from ae_run import saved_arrays

        unpacked = partial(saved_arrays.unpacked, only=only)
        arrays, damaged = self._parsed(name, "npz", unpacked)
        sound, wrong = saved_arrays.sound(name, arrays)
        return sound, damaged + wrong
