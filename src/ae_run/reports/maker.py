"""From reports to folders with figures, numbers and a page; only what is missing is done."""

import hashlib
import io
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ae_run.atomic import write_bytes
from ae_run.reports import compare, drawings, page, searches, spec
from ae_run.reports.plan import Planned, Planner, merged
from ae_run.reports.results import Found, tags
from ae_run.reports.searches import PlannedSearch
from ae_run.reports.spec import Figure, Report
from ae_run.reports.store import Store
from ae_run.run_folder import RunFolder

DPI = 100
_MADE = "made.json"


@dataclass
class Maker:
    """The options of a call of the script, and what it has to do."""

    store: Store
    budget: str
    seeds: int
    figures: Collection[str] = ()
    """Numbers of figures to be limited to."""
    rows: Collection[str] = ()
    """Rows to be limited to; with neither, everything is wanted."""
    planner: Planner = field(default_factory=Planner)

    def wanted(self, report: Report) -> list[Figure]:
        """The figures that were asked for."""
        return [f for f in report.figures if self._all or f.number in self.figures]

    def needed(self, report: Report) -> list[str]:
        """The names of the runs behind what was asked for, in the report's order."""
        names = {name for figure in self.wanted(report) for name in figure.runs}
        rows = [row for row in report.rows if self._all or row.id in self.rows]
        names |= {name for row in rows for name in (row.as_report, row.ours) if name}
        return [name for name in report.runs if name in names]

    @property
    def _all(self) -> bool:
        return not self.figures and not self.rows

    def forget(self, report: Report) -> None:
        """Delete the runs behind what was asked for, at this budget."""
        for name in self.needed(report):
            for run in self.planner.runs(report, name, self.budget, self.seeds):
                self.store.forget(run.digest)
        (self.store.root / report.name / _MADE).unlink(missing_ok=True)

    def missing(self, report: Report) -> list[Planned]:
        """The runs to be done, each once, behind those that they take their weights from."""
        todo: list[Planned] = []

        def add(run: Planned) -> None:
            if not self.store.has(run):
                if run.init_from is not None:
                    add(run.init_from)
                todo.append(run)

        for name in self.needed(report):
            if self.budget == "full" or not self._runs(report, name, "full"):
                for run in self.planner.runs(report, name, self.budget, self.seeds):
                    add(run)
        for search in self.missing_searches(report):
            if search.encoder is not None:
                add(search.encoder)
        return merged(todo)

    def release(self, report: Report) -> None:
        """Delete the weights that other runs have started from, and none will any more."""
        needed = {run.init_from.digest for run in self.missing(report) if run.init_from}
        for name in self.needed(report):
            for run in self.planner.runs(report, name, self.budget, self.seeds):
                if run.init_from is not None and run.init_from.digest not in needed:
                    self.store.drop_weights(run.init_from.digest)

    def missing_searches(self, report: Report) -> list[PlannedSearch]:
        """The searches to be done."""
        if self.figures:
            return []
        rows = {row.ours for row in report.rows if self._all or row.id in self.rows}
        planned = [
            searches.plan(self.planner, report, name, self.budget, self.store.root)
            for name in report.searches
            if name in rows and name not in self.searched(report, ("full",))
        ]
        return [one for one in planned if searches.read(one, self.store.root) is None]

    def searched(
        self, report: Report, budgets: Sequence[str] = ("full", "quick")
    ) -> dict[str, compare.Searched]:
        """The searches that have ended, by name: at the report's own budget where possible."""
        found: dict[str, compare.Searched] = {}
        for name in report.searches:
            for budget in budgets:
                planned = searches.plan(self.planner, report, name, budget, self.store.root)
                result = searches.read(planned, self.store.root)
                if result is not None and name not in found:
                    found[name] = (planned, result)
        return found

    def found(self, report: Report) -> dict[str, Found]:
        """The finished runs by name, at the report's own budget where possible."""
        found = {}
        for name in report.runs:
            planned = self._runs(report, name, "full") or self._runs(report, name, "quick")
            if planned:
                settings = report.runs[name].quick if planned[0].stand_in else name
                whole = self.planner.runs(report, str(settings), "full", 1)[0]
                runs = tuple(self.store.read(run.digest) for run in planned)
                found[name] = Found(name, tuple(planned), runs, tags(planned[0], whole))
        return found

    def _runs(self, report: Report, name: str, budget: str) -> list[Planned]:
        """The runs behind a name at a budget where all of them have finished, else none."""
        planned = self.planner.runs(report, name, budget, self.seeds)
        return planned if all(self.store.has(run) for run in planned) else []

    def make(self, report: Report, target: Path) -> bool:
        """Write a report's folder; return whether anything had to be done."""
        found, searched = self.found(report), self.searched(report)
        ended = [planned.digest for planned, _ in searched.values()]
        digest = _inputs(report, found.values(), [*self.figures, *self.rows, *ended])
        folder = RunFolder(target)
        if folder.has(_MADE) and folder.read_json(_MADE).get("inputs") == digest:
            return False
        (target / "figures").mkdir(parents=True, exist_ok=True)
        self._draw(report, found, target / "figures")
        lines = compare.lines(report, found, searched)
        rows = [compare.as_json(line) for line in lines]
        text = json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_bytes(target / "comparison.json", text.encode())
        page.write(report, found, lines, target)
        folder.write_json(_MADE, {"inputs": digest})
        return True

    def _draw(self, report: Report, found: dict[str, Found], target: Path) -> None:
        import matplotlib

        from ae_run.drawing.style import Style

        style = Style.named("default", DPI)
        with matplotlib.rc_context(style.rc):
            for figure in self.wanted(report):
                runs = [found[name] for name in figure.runs if name in found]
                if not runs:
                    continue
                options = {"title": f"Figure {figure.number}"} | _options(figure, found)
                drawn = drawings.pictures(figure.draw, runs, options, style)
                for name, picture in drawn.items():
                    buffer = io.BytesIO()
                    picture.savefig(buffer, format="png", metadata={"Software": None})
                    write_bytes(target / f"{page.stem(figure, name)}.png", _small(buffer))
                for name, content in drawings.files(figure.draw, runs).items():
                    write_bytes(target / f"{page.stem(figure, '')}-{name}", content)


def _options(figure: Figure, found: Collection[str]) -> dict[str, Any]:
    """The figure's options, with a label for each finished run."""
    labels = figure.options.get("labels")
    if not labels or len(labels) != len(figure.runs):
        return figure.options
    pairs = zip(labels, figure.runs, strict=True)
    return figure.options | {"labels": [label for label, name in pairs if name in found]}


def _small(png: io.BytesIO) -> bytes:
    """The same pixels in fewer bytes: a grey picture in one channel, any other as it is.

    No palette: with 256 colours for a whole figure, images in colour change theirs.
    """
    from PIL import Image

    with Image.open(png) as image:
        dpi, small = image.info["dpi"], image.convert("RGB")
    red, green, blue = small.split()
    if red.tobytes() == green.tobytes() == blue.tobytes():
        small = red
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True, dpi=dpi)
    return buffer.getvalue()


def _inputs(report: Report, found: Iterable[Found], figures: Collection[str]) -> str:
    """A digest of all that a report's folder depends on, the program's own files included."""
    here = Path(__file__).parents[1]
    sources = [
        p
        for name in ("reports", "figures", "drawing", "pages")
        for p in (here / name).rglob("*.*")
        if p.suffix in (".py", ".css", ".js", ".html")
    ]
    digest = hashlib.sha256((spec.folder() / f"{report.name}.yaml").read_bytes())
    for path in sorted(sources):
        digest.update(path.read_bytes())
    for one in found:
        digest.update(f"{one.name} {one.budget} {[p.digest for p in one.planned]}".encode())
    digest.update(repr(sorted(figures)).encode())
    return digest.hexdigest()
