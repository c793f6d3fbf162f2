"""Figures: one file per figure, drawn from a run folder's files alone.

Contract of a figure file: `TITLE`, `CAPTION`, and `draw(run, style) -> Figure | None`, which
gives None where the run lacks what it needs. It may have `files(run) -> dict[str, bytes]` for
what is no static picture. Nothing here imports torch, nor what does.
"""

import importlib
import io
import pkgutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ae_run.config import FiguresConfig
from ae_run.run_folder import RunFolder, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ae_run.figures._run_data import RunData
    from ae_run.figures._style import Style

# The order on the page. A figure file that is missing here comes under "More".
SECTIONS = {
    "Training": ("loss_curves", "snapshots"),
    "Reconstruction": (
        "samples", "reconstructions", "denoising", "denoising_levels", "worst",
        "error_histogram", "convergence",
    ),
    "Robustness": ("robustness", "robustness_examples"),
    "Latent space": (
        "codes", "tsne", "codes_3d", "probe", "centroids", "interpolation", "two_d_paths",
        "centroid_samples", "random_samples", "latent_grid",
    ),
}  # fmt: skip
FORMATS = ("png", "pdf", "svg")


@dataclass(frozen=True)
class FigureFile:
    """A figure that can be drawn."""

    name: str
    section: str
    title: str
    caption: str
    draw: "Callable[[RunData, Style], Figure | None]"
    files: "Callable[[RunData], dict[str, bytes]] | None"


def available() -> list[FigureFile]:
    """Every figure file of this package, in the order of the page."""
    names = {m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")}
    known = [(section, name) for section, listed in SECTIONS.items() for name in listed]
    more = [("More", name) for name in sorted(names - {name for _, name in known})]
    return [_import(section, name) for section, name in known + more if name in names]


def _import(section: str, name: str) -> FigureFile:
    module = importlib.import_module(f"ae_run.figures.{name}")
    files = getattr(module, "files", None)
    return FigureFile(name, section, module.TITLE, module.CAPTION, module.draw, files)


def draw(folder: RunFolder, config: FiguresConfig) -> list[Path]:
    """Draw every figure for which the run has the data into `figures/<name>.<format>`.

    A figure for which it has none any more is removed.

    Returns:
        The files written, in the order of the page.

    Raises:
        UserError: a file of the run cannot be read.
    """
    import matplotlib

    from ae_run.figures import _run_data, _style

    run = _run_data.load(folder)
    style = _style.make(config.style, config.dpi)
    target = folder.file("figures")
    target.mkdir(exist_ok=True)
    written: list[Path] = []
    with matplotlib.rc_context(style.rc):
        for figure_file in available():
            figure = figure_file.draw(run, style)
            extra = figure_file.files(run) if figure_file.files else {}
            if figure is None:
                for suffix in (*FORMATS, "gif"):
                    with suppress(FileNotFoundError):
                        (target / f"{figure_file.name}.{suffix}").unlink()
                continue
            pictures = {f"{figure_file.name}.{kind}": _render(figure, kind)
                        for kind in dict.fromkeys(config.format)}  # fmt: skip
            for name, content in (pictures | extra).items():
                write_bytes(target / name, content)
                written.append(target / name)
    return written


def _render(figure: "Figure", kind: str) -> bytes:
    """The figure as a file's bytes, without the date, so that equal figures are equal files."""
    undated: dict[str, dict[str, str | None]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None},
        "svg": {"Date": None},
    }
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=undated[kind])
    return buffer.getvalue()
