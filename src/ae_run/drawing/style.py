"""Styles of figures: fonts, colours, sizes."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# Okabe and Ito (2008), told apart with any kind of colour vision. Their black comes last; their
# yellow is darkened where it would vanish on white, and their blues are lighter on black.
# Violet and brown follow them, so that ten classes have ten colours.
_ON_WHITE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#B8A900", "#000000")
_ON_BLACK = ("#4C9BE0", "#E69F00", "#14B88A", "#D68FB5", "#E8702A", "#9AD8FF", "#F0E442", "#FFFFFF")
_MORE_ON_WHITE, _MORE_ON_BLACK = ("#7B3FBF", "#8A5A2B"), ("#B692F6", "#C8A27A")
MARKERS = "o^sDvPX<>*"
PER_MARKER = 8
"""The marker changes after as many classes: sooner than the colours, which repeat after ten."""


@dataclass(frozen=True)
class Style:
    """A figure style. Class k has the same colour and marker in every figure of a run."""

    name: str
    dpi: int
    face: str
    ink: str
    muted: str
    palette: tuple[str, ...]
    rc: Any
    """A dict for `matplotlib.rc_context`, whose type changes from release to release."""
    width: float | None = None
    """Of every figure, in inches; None: what its content asks for."""
    titles: bool = True

    @classmethod
    def named(cls, name: str, dpi: int, width: float | None = None, *, titles: bool = True) -> Self:
        """The style of that name: `default`, `paper` (serif, small, for print) or `dark`."""
        dark = name == "dark"
        face, ink, muted = (
            ("#15181d", "#e8e8e8", "#8b929c") if dark else ("#ffffff", "#1b1f24", "#767c85")
        )
        palette = _ON_BLACK + _MORE_ON_BLACK if dark else _ON_WHITE + _MORE_ON_WHITE
        rc = _rc(face, ink, palette, dark=dark, paper=name == "paper")
        return cls(name, dpi, face, ink, muted, palette, rc, width, titles)

    def color(self, index: int) -> str:
        """The colour of class or line `index`; after ten they repeat."""
        return self.palette[index % len(self.palette)]

    def text_color(self, index: int) -> str:
        """The colour of class `index`, mixed with the text colour to be legible in small print."""
        pairs = zip(to_rgb(self.color(index)), to_rgb(self.ink), strict=True)
        red, green, blue = (0.6 * hue + 0.4 * ink for hue, ink in pairs)
        return to_hex((red, green, blue))

    def marker(self, index: int) -> str:
        """The marker of class `index`; no two of the first 80 classes share it and the colour."""
        return MARKERS[index // PER_MARKER % len(MARKERS)]

    def figure(self, width: float, height: float, title: str, label: str = "") -> Figure:
        """An empty figure with its title at the left.

        The size is in inches; in a style of another width the height changes less than the width,
        since text keeps its size.
        """
        if self.width is not None:
            width, height = self.width, height * (self.width / width) ** 0.5
        figure = Figure(figsize=(width, height), dpi=self.dpi, layout="constrained")
        if self.titles:
            figure.suptitle(self.heading(title, label), x=0.01, ha="left")
        return figure

    def heading(self, title: str, label: str) -> str:
        """A figure's title with the run's label, as much as fits the width."""
        text = heading(title, label)
        return text if self.width is None else plain(text, int(self.width / _TITLE_LETTER))

    def across(self, count: int, inches: float) -> int:
        """How many of `count` panels of that least width stand side by side; at least one."""
        return count if self.width is None else max(1, min(count, int(self.width / inches)))


_TITLE_LETTER = 0.105  # inches, about


def _rc(
    face: str, ink: str, palette: tuple[str, ...], *, dark: bool, paper: bool
) -> dict[str, Any]:
    """Matplotlib's settings for these colours."""
    size = 8 if paper else 9
    return {
        "font.family": ["STIXGeneral", "DejaVu Sans"] if paper else ["DejaVu Sans"],
        "font.size": size,
        "figure.titlesize": size + 2,
        "figure.titleweight": "bold",
        "figure.constrained_layout.w_pad": 0.1,
        "figure.constrained_layout.h_pad": 0.1,
        "axes.titlesize": size + 0.5,
        "axes.titlelocation": "left",
        "axes.labelsize": size,
        "xtick.labelsize": size - 1,
        "ytick.labelsize": size - 1,
        "legend.fontsize": size - 1,
        "legend.frameon": False,
        "lines.linewidth": 1.1 if paper else 1.6,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": not paper,
        "grid.linewidth": 0.5,
        "grid.color": "#30353d" if dark else "#e4e6ea",
        **{f"axes3d.{axis}axis.panecolor": "#1e232a" if dark else "#f4f5f7" for axis in "xyz"},
        "axes.prop_cycle": cycler(color=palette),
        "figure.facecolor": face,
        "axes.facecolor": face,
        "savefig.facecolor": face,
        **dict.fromkeys(("text.color", "axes.labelcolor"), ink),
        **dict.fromkeys(("xtick.color", "ytick.color", "axes.edgecolor"), ink),
        # Class names are the user's text: a "$" in one is a dollar.
        "text.parse_math": False,
        # Editable text in PDF, and the same bytes for the same figure.
        "pdf.fonttype": 42,
        "svg.hashsalt": "ae-run",
    }


def heading(title: str, label: str) -> str:
    """A figure's title with the run's label."""
    return f"{title} · {plain(label, 40)}" if label else title


def plain(text: str, longest: int = 14) -> str:
    """A user's text on one line, shortened in the middle, with □ for glyphs the font lacks."""
    line = " ".join(text.split())
    line = "".join(char if ord(char) in _glyphs() else "□" for char in line)
    if len(line) <= longest:
        return line
    tail = (longest - 1) // 2
    return f"{line[: longest - 1 - tail]}…{line[len(line) - tail :]}"


@cache
def _glyphs() -> frozenset[int]:
    # The fallback font of all styles.
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return frozenset(FT2Font(str(font)).get_charmap())


def log_y(axes: Axes) -> None:
    """Make the y axis logarithmic, with plain numbers and at least two tick labels."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    decades = high / low
    subs = (1.0,) if decades > 1e3 else (1.0, 2.0, 5.0) if decades > 6 else (1, 1.5, 2, 3, 4, 6, 8)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
