"""Notebooks as pages of the site."""

from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

SECONDS = 600
"""For one cell, on a slow machine."""


def page(path: Path, run: bool) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, and the pictures that it shows, by name.

    Args:
        path: the notebook, which is committed without output.
        run: execute it first, in a temporary folder, so that the page has its output.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    if run:
        with TemporaryDirectory() as folder:
            place = {"metadata": {"path": folder}}
            NotebookClient(notebook, timeout=SECONDS, resources=place).execute()
    names = {"unique_key": path.stem}
    markdown, resources = MarkdownExporter().from_notebook_node(notebook, resources=names)
    return markdown, dict(resources["outputs"])
