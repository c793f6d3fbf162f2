"""A section of figures, and the decorator that adds a figure to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ae_run.drawing.run_data import RunData
    from ae_run.drawing.style import Style

Make: TypeAlias = "Callable[[RunData, Style, str], Figure | None]"
Caption: TypeAlias = "str | Callable[[RunData], str]"
Files: TypeAlias = "Callable[[RunData], dict[str, bytes]] | None"


@dataclass(frozen=True)
class RunFigure:
    """A figure of a run: `figures/<name>.<format>` in its folder, with a caption on its page."""

    name: str
    section: str
    title: str
    caption: Caption
    """A function where it depends on what the run has."""
    make: Make
    files: Files
    """Further files by name, such as an animation; none where the run lacks what they need."""

    def draw(self, run: "RunData", style: "Style") -> "Figure | None":
        """Draw it; None where the run lacks what it needs."""
        return self.make(run, style, self.title)

    def describe(self, run: "RunData") -> str:
        """The caption, which speaks only of what the figure shows of this run."""
        return self.caption if isinstance(self.caption, str) else self.caption(run)


class Section:
    """The figures under one heading of the page, in the order in which they are added."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.figures: list[RunFigure] = []

    def figure(self, title: str, caption: Caption, files: Files = None) -> Callable[[Make], Make]:
        """Add the decorated function, which takes run, style and title, under its own name."""

        def add(make: Make) -> Make:
            name = make.__name__
            self.figures.append(RunFigure(name, self.title, title, caption, make, files))
            return make

        return add
