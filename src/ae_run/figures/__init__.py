"""Figures, drawn from a run folder's files; one file per section of the page.

A figure is a function `name(run, style, title) -> Figure | None` in a section's file, decorated
with `@section.figure(title, caption)`; it returns None where the run lacks what it needs. The page
shows figures in the order of the file. Nothing here imports torch, directly or indirectly.
"""

from pathlib import Path

from ae_run.atomic import write_bytes
from ae_run.drawing import run_data
from ae_run.drawing.looks import FORMATS, looks, rendered
from ae_run.figures._section import RunFigure
from ae_run.run_folder import RunFolder
from ae_run.schema import FiguresConfig

__all__ = ["FORMATS", "RunFigure", "available", "draw"]


def available() -> list[RunFigure]:
    """Every figure, in the order of the page."""
    from ae_run.figures import codes, decoded, reconstruction, robustness, training

    files = (training, reconstruction, robustness, codes, decoded)
    return [figure for file in files for figure in file.section.figures]


def draw(folder: RunFolder, config: FiguresConfig) -> list[Path]:
    """Draw every figure that the run has data for into `figures/<name>.<format>`.

    A style other than the default has its own folder, `figures/<style>/`. The page shows the
    default style, so that it is always drawn, and with `dark_page` the dark one where a reader's
    browser is dark. Figures that the run no longer has data for are removed, unless a
    file of it is damaged.

    Returns:
        The files written, in the order of the page.
    """
    run = run_data.load(folder)
    target = folder.file("figures")
    written: list[Path] = []
    for look in looks(target, config):
        with look.context():
            for figure in available():
                drawn = figure.draw(run, look.style)
                if drawn is None:
                    for suffix in () if run.damaged else (*FORMATS, "gif"):
                        (look.folder / f"{figure.name}.{suffix}").unlink(missing_ok=True)
                    continue
                contents = {f"{figure.name}.{kind}": rendered(drawn, kind) for kind in look.formats}
                if figure.files is not None and look.folder == target:
                    contents |= figure.files(run)
                for name, content in contents.items():
                    write_bytes(look.folder / name, content)
                    written.append(look.folder / name)
    return written
