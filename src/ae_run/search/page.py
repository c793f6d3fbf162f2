"""The page of a search: one self-contained file in the style of a run's page."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_run import headline
from ae_run.atomic import write_bytes
from ae_run.comparison import compare
from ae_run.drawing.looks import DARK
from ae_run.pages import render
from ae_run.run_folder import RunFolder
from ae_run.search import figures
from ae_run.search.trials import BEST_SHOWN, MOST_FOR_IMPORTANCES, SearchData

if TYPE_CHECKING:
    from ae_run.search.plan import Plan

_TEMPLATE = Path(__file__).parent / "templates" / "search.html"
_MOST_ROWS = 100
_MISSING = object()
_OTHERS = {
    "pca": "PCA with as many components",
    "mean": "the mean image",
    "input": "the corrupted input",
}


@dataclass(frozen=True)
class Cell:
    """A cell of the table of trials."""

    text: str
    value: str
    """By which the column sorts; a dash comes last."""
    exact: str = ""
    """The value where `text` is rounded."""
    link: str = ""


def write(folder: RunFolder, plan: "Plan", facts: dict[str, Any], data: SearchData) -> Path:
    """Write `report.html` from the numbers and from the pictures in `figures/`."""
    header, rows = _rows(folder, data)
    best = facts["best"]["params"]
    html = render.page(
        _TEMPLATE,
        render.SCRIPT,
        facts=facts,
        label=plan.label,
        folder=str(folder.path),
        from_file=plan.best_from_file,
        better=f"{data.axis}; {data.better}",
        status=_status(facts, plan),
        tiles=_tiles(facts, data),
        setup=_setup(folder, facts, plan, data),
        space=[(p.key, p.summary(), _cell(best.get(p.key, _MISSING))) for p in plan.space],
        pictures=_pictures(folder),
        final=_final(folder, facts, plan),
        header=header,
        rows=rows,
        count=len(data.trials),
        shown=_shown(data),
    )
    path = folder.file("report.html")
    write_bytes(path, html)
    return path


def _status(facts: dict[str, Any], plan: "Plan") -> tuple[str, str]:
    done, asked = facts["trials"], plan.options.n_trials
    if done >= asked:
        return "finished", f"Finished, {done:,} trials"
    return "interrupted", f"{done:,} of {asked:,} trials"


def _tiles(facts: dict[str, Any], data: SearchData) -> list[tuple[str, str, str]]:
    best = facts["best"]
    tiles = [
        (f"best {data.score}", f"{best['value']:.4g}", f"trial {best['number']}; {data.better}"),
        (
            "trials",
            f"{facts['trials']:,}",
            f"{facts['complete']} complete, {facts['pruned']} pruned, {facts['failed']} failed",
        ),
        ("time", f"{facts['seconds']:,.0f} s", ""),
    ]
    if facts["pruned"]:
        text = f"{facts['epochs_saved']:,} of the epochs; {facts['pruned_share']:.0%} of the trials"
        tiles.append(("saved by pruning", f"≈ {facts['seconds_saved']:,.0f} s", text))
    return tiles


def _setup(
    folder: RunFolder, facts: dict[str, Any], plan: "Plan", data: SearchData
) -> list[tuple[str, str]]:
    """How, when, on what and with what was searched."""
    run = RunFolder(folder.file(f"trials/{facts['best']['number']}"))
    known = run.read_json("run.json") if run.has("run.json") else {}
    of_data = known.get("data") or {}
    splits = [f"{name} {of_data[name]:,}" for name in ("train", "validation") if name in of_data]
    ended = max((trial.order for trial in data.trials), default=0.0)
    versions = known.get("versions") or {}
    rows = {
        "score": f"{data.axis}; {data.better}",
        "sampler": plan.options.sampler,
        "pruner": plan.options.pruner.replace("_", " "),
        "seed": known.get("seed"),
        "last trial ended": f"{datetime.fromtimestamp(ended).astimezone():%Y-%m-%d %H:%M}",
        "data": ", ".join([str(of_data.get("name", "")), *splits]) if of_data else None,
        "image": " × ".join(map(str, of_data.get("image_shape") or ())),
        "fingerprint": str(of_data.get("fingerprint") or "")[:16],
        "device": known.get("device_name") or known.get("device"),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "git revision": known.get("git_revision"),
    }
    return [(name, str(value)) for name, value in rows.items() if value not in (None, "")]


def _final(folder: RunFolder, facts: dict[str, Any], plan: "Plan") -> dict[str, Any] | None:
    """The page of the best run, trained again, and its scores on test; None without a refit."""
    name = f"refit/{facts['best']['number']}"
    run = RunFolder(folder.file(name))
    if not (run.has("metrics.json") and run.has("report.html")):
        return None
    metrics = run.read_json("metrics.json")
    block = headline.blocks(metrics)[0]
    own = block.own["mse"]
    others = {_OTHERS[name]: s["mse"] for name, s in block.others.items() if "mse" in s}
    rows = [("MSE (per pixel)", f"{own:.5f}")]
    rows += [(f"MSE of {other}", f"{mse:.5f}") for other, mse in others.items()]
    worse = [f"{other}, {mse:.4g}" for other, mse in others.items() if own >= mse]
    warning = f"MSE {own:.4g} is no better than that of {' or '.join(worse)}." if worse else ""
    if plan.options.objective == "probe":
        warning = ""
        rows = [
            (f"accuracy, {kind}", f"{probe['accuracy']:.4f}")
            for kind, probe in (metrics.get("probe") or {}).items()
        ]
    trained = plan.options.refit.replace("+", " + ")
    page = f"{name}/report.html"
    return {
        "page": page,
        "rows": rows,
        "trained": trained,
        "warning": warning,
        "compared": compare.PAGE if folder.has(compare.PAGE) else "",
    }


def _rows(folder: RunFolder, data: SearchData) -> tuple[list[str], list[list[Cell]]]:
    """The first finished trials: complete ones first, each state sorted from the best."""
    order = {"complete": 0, "pruned": 1, "failed": 2}
    points = sorted(
        data.trials,
        key=lambda p: (order[p.state], data.sign * p.values[0] if p.values else 0, p.number),
    )
    keys = [p.key for p in data.space]
    others = list(data.options.also_minimize)
    header = ["trial", "state", data.score, *(name.replace("_", " ") for name in others), *keys]
    rows = []
    for p in points[:_MOST_ROWS]:
        place = f"trials/{p.number}/"
        link = place if folder.file(place).is_dir() else ""
        scores = list(p.values) + [_MISSING] * (1 + len(others) - len(p.values))
        cells = [*scores, *(p.params.get(key, _MISSING) for key in keys)]
        first = [Cell(str(p.number), str(p.number), link=link), _cell(p.state)]
        rows.append(first + [_cell(value) for value in cells])
    return header, rows


def _cell(value: Any) -> Cell:
    """A value rounded to four digits; a dash where there is none, or null."""
    if value is _MISSING or value is None:
        return Cell("–", "–", "null" if value is None else "not used")
    if isinstance(value, float):
        exact = repr(value)
        return Cell(f"{value:.4g}".replace("-", "−"), exact, exact)
    return Cell(str(value), str(value))


def _shown(data: SearchData) -> str:
    """Which trials the figures show, where they are not all; empty if they are."""
    if len(data.shown) == len(data.trials):
        return ""
    return (
        f"Of {len(data.trials):,} trials, the figures show {len(data.shown)} as points and lines: "
        f"the best {BEST_SHOWN}, and others drawn at random. The best so far and the Pareto front "
        f"are those of all; the importances, of {MOST_FOR_IMPORTANCES} at random."
    )


def _pictures(folder: RunFolder) -> list[dict[str, Any]]:
    pictures = []
    for name, (title, caption, _) in figures.FIGURES.items():
        path = folder.file(f"figures/{name}.png")
        if not path.is_file():
            continue
        image = render.embed(path, folder.file(f"figures/{DARK}/{name}.png"))
        link = f"figures/{name}.png"
        pictures.append(
            {"name": name, "title": title, "caption": caption, "image": image, "link": link}
        )
    return pictures
