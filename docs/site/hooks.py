"""MkDocs hooks: what the pages link to outside of docs/, formulas, the keys and the notebooks.

The pages are written to be read in the repository, too: they link to files there, and write
formulas as `$…$`. Here a linked picture is copied, a linked text becomes a page of its own, and
formulas become MathML, which browsers show without a script.
"""

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keys
import notebooks
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).resolve().parents[1]
ROOT = DOCS.parent
PAGES = {
    "overview.md": ROOT / "README.md",
    "contributing.md": ROOT / "CONTRIBUTING.md",
    "changelog.md": ROOT / "CHANGELOG.md",
}
"""Pages of the site that are files of the root."""
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)")
FENCE = re.compile(r"^(```+).*?^\1$", re.DOTALL | re.MULTILINE)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".sh": "sh", ".txt": "", "": ""}
UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n"
"""The head of pages that show sources, which would hide the pages that explain them."""
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are no file of docs/, and everything that the pages link to."""
    for uri, path in PAGES.items():
        files.append(File.generated(config, uri, content=path.read_text(encoding="utf-8")))
    for notebook in DOCS.glob("*.ipynb"):
        files.remove(files.src_uris[notebook.name])
        page, pictures = notebooks.page(notebook, run=config.extra["run_notebooks"])
        files.append(File.generated(config, f"{notebook.stem}.md", content=page))
        for name, picture in pictures.items():
            files.append(File.generated(config, name, content=picture))
    waiting = list(files.documentation_pages())
    for file in waiting:  # it grows
        for path in _linked(file):
            uri = _uri(path)
            if uri not in files.src_uris:
                added = _file(config, uri, path)
                files.append(added)
                waiting += [added] if added.is_documentation_page() else []
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Point links at what the site has in their place; fill in the keys."""
    if page.file.src_uri == "keys.md":
        markdown += "\n" + keys.page()
    here = Path(page.file.src_uri).parent

    def replaced(match: re.Match[str]) -> str:
        path = _target(page.file, match[2])
        if path is None:
            return match[0]
        return match[1] + Path(os.path.relpath(_uri(path), here)).as_posix()

    return _outside_of_code(LINK, replaced, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Turn formulas into MathML."""

    def mathml(match: re.Match[str]) -> str:
        display = "block" if match[1] == "div" else "inline"
        formula = str(convert(html.unescape(match[2]).strip(), display=display))
        return formula.replace("<mi>log</mi>", '<mi>log</mi><mspace width="0.17em" />')

    return FORMULA.sub(mathml, content)


def _outside_of_code(pattern: re.Pattern[str], replaced: Any, markdown: str) -> str:
    """The text with a pattern replaced except in fenced blocks."""
    parts, end = [], 0
    for block in FENCE.finditer(markdown):
        parts += [pattern.sub(replaced, markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, pattern.sub(replaced, markdown[end:])])


def _source(file: File) -> Path:
    """The file of the repository that a page of the site shows."""
    uri = file.src_uri
    if uri in PAGES:
        return PAGES[uri]
    if uri.startswith("files/"):
        path = ROOT / uri.removeprefix("files/")
        return path if path.exists() else path.with_suffix("")
    return DOCS / uri


def _target(file: File, link: str) -> Path | None:
    """The file or folder of the repository that a link names; None if it is not there."""
    path = (_source(file).parent / link).resolve()
    return path if path.exists() and path.is_relative_to(ROOT) else None


def _linked(file: File) -> Iterator[Path]:
    """What a page links to, within the repository."""
    text = FENCE.sub("", file.content_string)
    targets = (_target(file, link) for _, link in LINK.findall(text))
    yield from (path for path in targets if path is not None)


def _uri(path: Path) -> str:
    """The place in the site of a file or a folder of the repository."""
    for uri, page in PAGES.items():
        if path == page:
            return uri
    if path.is_relative_to(DOCS):
        uri = path.relative_to(DOCS).as_posix()
        return f"{path.stem}.md" if path.suffix == ".ipynb" else uri
    uri = f"files/{path.relative_to(ROOT).as_posix()}"
    return f"{uri}.md" if path.is_dir() or path.suffix in LANGUAGES else uri


def _file(config: MkDocsConfig, uri: str, path: Path) -> File:
    """A file of the site: a folder's contents, a text as a code block, or a copy."""
    if path.is_dir():
        entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith(("_", ".")))
        lines = [f"- [{entry.name}]({path.name}/{entry.name})" for entry in entries]
        text = "\n".join([f"# {path.relative_to(ROOT).as_posix()}", "", *lines])
        return File.generated(config, uri, content=UNSEARCHED + text)
    if uri.endswith(".md") and path.suffix != ".md":
        title, language = path.relative_to(ROOT).as_posix(), LANGUAGES[path.suffix]
        text = path.read_text(encoding="utf-8").rstrip()
        block = f"# {title}\n\n````{language}\n{text}\n````\n"
        return File.generated(config, uri, content=UNSEARCHED + block)
    return File.generated(config, uri, abs_src_path=str(path))
