"""The figures of a run folder as the page embeds them, and the folder's files."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ae_run import figures
from ae_run.run_folder import RunFolder

_MIME = {"png": "image/png", "svg": "image/svg+xml"}
_CSS_PER_INCH = 115
# What may stand in a run folder, with what it is, in the order of a reader's interest.
_FILES = {
    "config.yaml": "the resolved config",
    "overrides.txt": "the command line",
    "metrics.json": "every score",
    "history.csv": "losses and learning rate of every epoch",
    "run.json": "versions, device, times",
    "artifacts.npz": "the images and codes behind the figures",
    "snapshots.npz": "reconstructions during training",
    "replicas.json": "the scores of all seeds",
    "model.safetensors": "the best weights",
    "resume.pt": "the last weights and the optimizer's state",
    "log.txt": "what was printed",
}


@dataclass(frozen=True)
class Picture:
    """A figure on the page."""

    name: str
    title: str
    caption: str
    source: str
    """A data URI; empty where only a PDF is there."""
    width: int | None
    height: int | None
    """In CSS pixels, the same per inch for all figures, so that their text is of one size."""
    link: str
    """The file, relative to the page."""
    animation: str
    """A data URI, or empty."""
    others: list[tuple[str, str]]
    """Kind and relative path of further files of this figure."""


@dataclass(frozen=True)
class Section:
    """Figures under one heading."""

    title: str
    anchor: str
    pictures: list[Picture]


def sections(folder: RunFolder) -> list[Section]:
    """The figures that are in the folder, by section."""
    by_title: dict[str, list[Picture]] = {}
    for figure in figures.available():
        picture = _picture(folder.file("figures"), figure)
        if picture is not None:
            by_title.setdefault(figure.section, []).append(picture)
    return [
        Section(title, "section-" + title.lower().replace(" ", "-"), pictures)
        for title, pictures in by_title.items()
    ]


def _picture(where: Path, figure: figures.RunFigure) -> Picture | None:
    found = [where / f"{figure.name}.{kind}" for kind in (*figures.FORMATS, "gif")]
    found = [path for path in found if path.is_file()]
    if not found:
        return None
    # A redraw in another format leaves the old file: the newest is the one that was asked for.
    shown = [path for path in found if path.suffix[1:] in _MIME]
    shown.sort(key=lambda path: path.stat().st_mtime_ns)
    best = shown[-1] if shown else None
    content = best.read_bytes() if best else b""
    width, height = css_size(content) if best and best.suffix == ".png" else (None, None)
    moving = where / f"{figure.name}.gif"
    return Picture(
        name=figure.name,
        title=figure.title,
        caption=figure.caption,
        source=data_uri(_MIME[best.suffix[1:]], content) if best else "",
        width=width,
        height=height,
        link=_relative(best or found[0]),
        animation=data_uri("image/gif", moving.read_bytes()) if moving in found else "",
        others=[(path.suffix[1:].upper(), _relative(path)) for path in found if path != best],
    )


def files(folder: RunFolder) -> list[tuple[str, str, str]]:
    """Name, meaning and size of the folder's files."""
    return [
        (name, meaning, _size(folder.file(name).stat().st_size))
        for name, meaning in _FILES.items()
        if folder.has(name)
    ]


def css_size(png: bytes) -> tuple[int, int]:
    """Width and height of a picture on a page, in CSS pixels: the same per inch for all."""
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        scale = _CSS_PER_INCH / float(image.info.get("dpi", (_CSS_PER_INCH,))[0])
        return round(image.width * scale), round(image.height * scale)


def data_uri(mime: str, content: bytes) -> str:
    """A file as an address that holds it, so that the page needs no other file."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def _relative(path: Path) -> str:
    return f"figures/{quote(path.name)}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
