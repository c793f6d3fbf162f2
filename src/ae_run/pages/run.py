"""The page of a run: scores, setup, figures and files."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ae_run import figures
from ae_run.atomic import write_bytes
from ae_run.drawing import run_data, words
from ae_run.drawing.looks import DARK
from ae_run.figures import RunFigure
from ae_run.pages import _explorer, _facts, _scores, render
from ae_run.run_folder import RESUME, WEIGHTS, RunFolder

# The files of a run folder and what they are, the most interesting first.
_FILES = {
    "config.yaml": "the resolved config",
    "overrides.txt": "the command line",
    "metrics.json": "every score",
    "history.csv": "losses and learning rate of every epoch",
    "run.json": "versions, device, times",
    "artifacts.npz": "the images and codes behind the figures, and the page's decoder",
    "snapshots.npz": "reconstructions during training",
    "replicas.json": "the scores of all seeds",
    WEIGHTS: "the best weights",
    RESUME: "the last weights and the optimizer's state",
    "log.txt": "the printed output",
}
_EXPLORER = ("decoder.js", "gestures.js", "plane.js", "strip.js", "explorer.js")


@dataclass(frozen=True)
class Picture:
    """The files of a figure."""

    figure: RunFigure
    caption: str
    image: render.Image | None
    """None if there is only a PDF."""
    link: str
    """The file of the image, else of the PDF, relative to the page."""
    animation: render.Image | None
    others: list[tuple[str, str]]
    """Kind and relative path of further files."""


def write(folder: RunFolder) -> Path:
    """Write `report.html` from a run folder, finished or not.

    Returns:
        The page's path.

    What of the run's files cannot be used is left out, and named on the page and the terminal.
    """
    run = run_data.load(folder)
    for line in run.damaged:
        folder.say(f"left out: {line}")
    config = folder.file("config.yaml")
    explorer = _explorer.explorer(run)
    sections = _sections(folder.file("figures"), run)
    if explorer is not None:
        sections.setdefault("Latent space", [])
    html = render.page(
        render.TEMPLATES / "run.html",
        render.SCRIPT,
        *(render.TEMPLATES / name for name in (_EXPLORER if explorer else ())),
        heading=_facts.heading(run, folder),
        status=_facts.status(run, folder),
        blocks=_scores.blocks(run),
        scores=_scores.score_tables(run),
        facts=_facts.facts(run, folder),
        data_facts=_facts.data_facts(run),
        skipped=_facts.skipped(run),
        config=config.read_text(encoding="utf-8", errors="replace") if config.exists() else "",
        command=run.run.get("command"),
        sections=sections,
        explorer=explorer,
        undecoded=_explorer.undecoded(run),
        files=_files(folder),
    )
    path = folder.file("report.html")
    write_bytes(path, html)
    return path


def _sections(where: Path, run: run_data.RunData) -> dict[str, list[Picture]]:
    """The figures whose files are there, by section."""
    sections: dict[str, list[Picture]] = {}
    for figure in figures.available():
        picture = _picture(where, figure, run)
        if picture is not None:
            sections.setdefault(figure.section, []).append(picture)
    return sections


def _picture(where: Path, figure: RunFigure, run: run_data.RunData) -> Picture | None:
    found = [where / f"{figure.name}.{kind}" for kind in (*figures.FORMATS, "gif")]
    found = [path for path in found if path.is_file()]
    if not found:
        return None
    # A redraw in another format leaves the old file: the newest is the one that was asked for.
    images = [path for path in found if path.suffix in (".png", ".svg")]
    images.sort(key=lambda path: path.stat().st_mtime_ns)
    newest = images[-1] if images else None
    moving = where / f"{figure.name}.gif"
    return Picture(
        figure,
        caption=figure.describe(run),
        image=render.embed(newest, where / DARK / newest.name) if newest else None,
        link=_relative(newest or found[0]),
        animation=render.embed(moving) if moving in found else None,
        others=[(path.suffix[1:].upper(), _relative(path)) for path in found if path != newest],
    )


def _relative(path: Path) -> str:
    return f"figures/{quote(path.name)}"


def _files(folder: RunFolder) -> list[tuple[str, str, str]]:
    """Name, meaning and size of the folder's files."""
    return [
        (name, meaning, words.file_size(folder.file(name).stat().st_size))
        for name, meaning in _FILES.items()
        if folder.has(name)
    ]
