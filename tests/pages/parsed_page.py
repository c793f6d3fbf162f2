"""A page, parsed far enough to make claims about it."""

import re
from html.parser import HTMLParser
from pathlib import Path

# What loads by itself, as against a link that a reader may follow.
_LOADING = {"src", "srcset", "poster", "data", "action", "background"}


class Page(HTMLParser):
    """Elements, references, scripts and visible text of an HTML file."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.html = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(self.html)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record an element."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        self.loads += [value for name, value in given.items() if name in _LOADING]
        if "href" in given:
            (self.loads if tag == "link" else self.links).append(given["href"])
        self._inside = tag
        if tag == "script":
            self.scripts.append("")
        if tag == "style":
            self.styles.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        """Leave an element."""
        self._inside = ""

    def handle_data(self, data: str) -> None:
        """Record text."""
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside == "style":
            self.styles[-1] += data
        else:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every element of that name."""
        return [attrs for name, attrs in self.tags if name == tag]
