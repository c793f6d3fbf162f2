"""A comparison in Python: its table and its page."""

from functools import cached_property
from pathlib import Path

import numpy as np

from ae_run.api.run import columns
from ae_run.comparison.compare import CSV, PAGE
from ae_run.run_folder import RunFolder


class Comparison:
    """Several runs beside each other."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._folder.path

    @property
    def page(self) -> Path:
        """Its page, `compare.html`: table, curves, images, and any two runs image by image."""
        return self._folder.file(PAGE)

    @cached_property
    def table(self) -> dict[str, np.ndarray]:
        """The columns of `compare.csv`, each (runs,), the best first; for `pandas.DataFrame`."""
        return columns(self._folder.read_csv(CSV))
