"""Find run folders."""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from ae_run.errors import UserError
from ae_run.run_folder import RunFolder

_INSIDE = {"trials", "replicas"}
"""Folders in which a search and a run keep runs that are parts of them."""


def run_folders(root: Path) -> Iterator[RunFolder]:
    """The run folders below a folder, sorted by path.

    Raises:
        UserError: no such folder.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such folder")
    for path, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _INSIDE and name[0] != ".")
        if {"config.yaml", "run.json"} <= {*files}:
            folders.clear()
            folder = RunFolder(Path(path), quiet=True)
            try:
                folder.read_json("run.json")
                folder.read_config()
            except UserError as error:
                warnings.warn(f"left out: {error}", stacklevel=4)
            else:
                yield folder
