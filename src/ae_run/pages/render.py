"""Self-contained HTML pages: one file that opens from disk and loads nothing else.

Images, style and script are embedded, and a content security policy forbids everything else, so
that a run folder from somebody else can be viewed safely.
"""

import base64
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
SCRIPT = TEMPLATES / "page.js"
"""Zoom, copy buttons and tables that sort, on every page."""
_MIME = {".png": "image/png", ".svg": "image/svg+xml", ".gif": "image/gif"}
_CSS_PER_INCH = 115


def page(template: Path, *scripts: Path, **content: Any) -> bytes:
    """Render a template that extends `base.html`, the common frame and look.

    Args:
        template: a file; it can include and import others from its folder.
        *scripts: JavaScript files, the only scripts that the page may run.
        **content: the template's variables.
    """
    environment = Environment(
        loader=FileSystemLoader([template.parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    source = "\n".join(script.read_text(encoding="utf-8") for script in scripts)
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    html = environment.get_template(template.name).render(
        script=Markup(source), script_digest=digest, **content
    )
    return html.encode()


@dataclass(frozen=True)
class Image:
    """A picture inside a page."""

    source: str
    """A data URI."""
    width: int | None
    height: int | None
    """In CSS pixels; None for SVG and GIF, which are shown at their own size."""
    dark: str | None = None
    """A data URI of the same picture for a dark page, if any."""


def embed(path: Path, dark: Path | None = None) -> Image:
    """A PNG, SVG or GIF file as an image inside a page, and its version for a dark page."""
    content = path.read_bytes()
    width, height = css_size(content) if path.suffix == ".png" else (None, None)
    on_dark = _source(dark, dark.read_bytes()) if dark is not None and dark.is_file() else None
    return Image(_source(path, content), width, height, on_dark)


def _source(path: Path, content: bytes) -> str:
    return data_uri(_MIME[path.suffix], content)


def css_size(png: bytes) -> tuple[int, int]:
    """Width and height in CSS pixels, at one scale per inch so that all text has the same size."""
    from PIL import Image as Picture

    with Picture.open(io.BytesIO(png)) as image:
        scale = _CSS_PER_INCH / float(image.info.get("dpi", (_CSS_PER_INCH,))[0])
        return round(image.width * scale), round(image.height * scale)


def data_uri(mime: str, content: bytes) -> str:
    """A file's content as a URI."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
