"""The page of a search: one self-contained file in the style of a run's page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ae_run.pages import render
from ae_run.run_folder import RunFolder, write_bytes
from ae_run.search import figures
from ae_run.search.trials import SearchData

if TYPE_CHECKING:
    from ae_run.search.plan import Plan

_TEMPLATE = Path(__file__).parent / "templates" / "search.html"
_MOST_ROWS = 100


def write(folder: RunFolder, plan: "Plan", facts: dict[str, Any], data: SearchData) -> Path:
    """Write `report.html` from the numbers and from the pictures in `figures/`."""
    header, rows = _rows(data)
    html = render.page(
        _TEMPLATE,
        facts=facts,
        label=plan.label,
        folder=str(folder.path),
        sampler=f"{plan.options.sampler}, pruner {plan.options.pruner.replace('_', ' ')}",
        tiles=_tiles(facts, data),
        space=[
            (p.key, p.summary(), _short(facts["best"]["params"].get(p.key))) for p in plan.space
        ],
        pictures=_pictures(folder),
        final=_final(folder, facts, plan),
        header=header,
        rows=rows[:_MOST_ROWS],
        more=len(rows) if len(rows) > _MOST_ROWS else None,
    )
    path = folder.file("report.html")
    write_bytes(path, html)
    return path


def _tiles(facts: dict[str, Any], data: SearchData) -> list[tuple[str, str, str]]:
    best = facts["best"]
    tiles = [
        (f"best {data.score}", f"{best['value']:.5g}", f"trial {best['number']}"),
        (
            "trials",
            str(facts["trials"]),
            f"{facts['complete']} complete, {facts['pruned']} pruned, {facts['failed']} failed",
        ),
        ("time", f"{facts['seconds']:,.0f} s", ""),
    ]
    if data.options.pruner != "none":
        text = f"{facts['epochs_saved']:,} epochs, about {facts['seconds_saved']:,.0f} s"
        tiles.append(("saved by pruning", f"{facts['pruned_share']:.0%} pruned", text))
    return tiles


def _final(folder: RunFolder, facts: dict[str, Any], plan: "Plan") -> dict[str, Any] | None:
    """The page of the best run, trained again, and its scores on test; None without a refit."""
    name = f"refit/{facts['best']['number']}"
    run = RunFolder(folder.file(name))
    if not (run.has("metrics.json") and run.has("report.html")):
        return None
    metrics = run.read_json("metrics.json")
    rows = [
        ("MSE", f"{metrics['mse']:.5f}"),
        ("MSE of PCA with as many components", f"{metrics['baseline']['pca']['mse']:.5f}"),
    ]
    if plan.options.objective == "probe":
        rows = [
            (f"accuracy, {kind}", f"{probe['accuracy']:.4f}")
            for kind, probe in (metrics.get("probe") or {}).items()
        ]
    trained = plan.options.refit.replace("+", " + ")
    return {"page": f"{name}/report.html", "rows": rows, "trained": trained}


def _rows(data: SearchData) -> tuple[list[str], list[list[str]]]:
    """Finished trials: complete ones first, each state sorted from the best."""
    order = {"complete": 0, "pruned": 1, "failed": 2}
    points = sorted(
        data.trials,
        key=lambda p: (order[p.state], data.sign * p.values[0] if p.values else 0, p.number),
    )
    keys = [p.key for p in data.space]
    others = list(data.options.also_minimize)
    header = ["trial", "state", "score", *others, *keys]
    rows = []
    for p in points:
        scores = [_short(v) for v in p.values] or ["–"]
        scores += ["–"] * (1 + len(others) - len(scores))
        values = [_short(p.params[k]) if k in p.params else "–" for k in keys]
        rows.append([str(p.number), p.state, *scores, *values])
    return header, rows


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "null" if value is None else str(value)


def _pictures(folder: RunFolder) -> list[dict[str, Any]]:
    pictures = []
    for name, (title, caption, _) in figures.FIGURES.items():
        path = folder.file(f"figures/{name}.png")
        if not path.is_file():
            continue
        image = render.embed(path)
        pictures.append({"name": name, "title": title, "caption": caption, "image": image})
    return pictures
