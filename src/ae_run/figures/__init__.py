"""Figures, drawn from a run folder's files; one file per section of the page.

A figure is a function `name(run, style, title) -> Figure | None` in a section's file, decorated
with `@section.figure(title, caption)`; it returns None where the run lacks what it needs. The page
shows figures in the order of the file. Nothing here imports torch, directly or indirectly.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from ae_run.config import FiguresConfig
from ae_run.drawing import run_data
from ae_run.figures._section import RunFigure
from ae_run.run_folder import RunFolder, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "RunFigure", "available", "draw"]

FORMATS = ("png", "pdf", "svg")


def available() -> list[RunFigure]:
    """Every figure, in the order of the page."""
    from ae_run.figures import codes, decoded, reconstruction, robustness, training

    files = (training, reconstruction, robustness, codes, decoded)
    return [figure for file in files for figure in file.section.figures]


def draw(folder: RunFolder, config: FiguresConfig) -> list[Path]:
    """Draw every figure that the run has data for into `figures/<name>.<format>`.

    Figures that it no longer has data for are removed.

    Returns:
        The files written, in the order of the page.

    Raises:
        UserError: a file of the run cannot be read.
    """
    import matplotlib

    from ae_run.drawing.style import Style

    run = run_data.load(folder)
    style = Style.named(config.style, config.dpi)
    target = folder.file("figures")
    target.mkdir(exist_ok=True)
    written: list[Path] = []
    with matplotlib.rc_context(style.rc):
        for figure in available():
            drawn = figure.draw(run, style)
            if drawn is None:
                for suffix in (*FORMATS, "gif"):
                    (target / f"{figure.name}.{suffix}").unlink(missing_ok=True)
                continue
            contents = {f"{figure.name}.{kind}": _render(drawn, kind) for kind in config.format}
            if figure.files is not None:
                contents |= figure.files(run)
            for name, content in contents.items():
                write_bytes(target / name, content)
                written.append(target / name)
    return written


def _render(figure: "Figure", kind: str) -> bytes:
    """The bytes of an image file, without the date, so that equal figures give equal files."""
    undated: dict[str, dict[str, str | None]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None},
        "svg": {"Date": None},
    }
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=undated[kind])
    return buffer.getvalue()
