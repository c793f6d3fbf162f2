"""The styles in which a folder's figures are drawn, each into its own folder."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ae_run.schema import FiguresConfig

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ae_run.drawing.style import Style

FORMATS = ("png", "pdf", "svg")
DARK = "dark"
"""The folder, in `figures/`, of the pictures for a dark page."""
_PAGE_DPI = 150


@dataclass(frozen=True)
class Look:
    """A style, where its figures go, and in which formats."""

    style: "Style"
    folder: Path
    formats: tuple[str, ...]

    @contextmanager
    def context(self) -> Iterator[None]:
        """Matplotlib's settings for the style, and its folder."""
        import matplotlib

        self.folder.mkdir(parents=True, exist_ok=True)
        with matplotlib.rc_context(self.style.rc):
            yield


def looks(figures: Path, config: FiguresConfig) -> list[Look]:
    """The looks that the options ask for, and those that the page shows."""
    from ae_run.drawing.style import Style

    asked = tuple(dict.fromkeys(config.format))
    own = config.style == "default"
    shown = next((kind for kind in ("png", "svg") if kind in asked), None) if own else "png"
    page = ("default", DARK) if config.dark_page else ("default",)
    formats = dict.fromkeys(page, (shown,) if shown else ())
    found = []
    for name, kinds in (formats | {config.style: asked}).items():
        # The page's pictures are of one size, light or dark.
        as_asked = name == config.style or own
        style = (
            Style.named(name, config.dpi, config.width, titles=config.titles)
            if as_asked
            else Style.named(name, _PAGE_DPI)
        )
        if name == DARK and not own and shown not in kinds:
            kinds = (*kinds, "png")
        if kinds:
            found.append(Look(style, figures if name == "default" else figures / name, kinds))
    return found


def rendered(figure: "Figure", kind: str) -> bytes:
    """The bytes of an image file, without the date, so that equal figures give equal files."""
    undated: dict[str, dict[str, str | None]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None},
        "svg": {"Date": None},
    }
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, metadata=undated[kind])
    return buffer.getvalue()
