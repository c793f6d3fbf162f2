"""What sets runs apart beside their errors: probes, robustness, samples, time."""

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any, NamedTuple

from ae_run.comparison.runs import FoundRun
from ae_run.drawing.words import curve_title


class Column(NamedTuple):
    """A column of a table."""

    name: str
    """In the CSV file."""
    title: str
    """On the page."""


def scores(run: FoundRun) -> dict[Column, list[float]]:
    """The values of each column, one per seed where they are known."""
    return dict(_scores(run))


def _scores(run: FoundRun) -> Iterator[tuple[Column, list[float]]]:
    for name, found in (run.metrics.get("probe") or {}).items():
        if isinstance(found, Mapping) and found.get("accuracy") is not None:
            title = f"accuracy of the {name.replace('_', ' ')} probe"
            yield (
                Column(f"test_{name}_accuracy", title),
                _seeds(run, f"probe.{name}.accuracy", found["accuracy"]),
            )
    for name, curve in (run.metrics.get("robustness") or {}).items():
        if None in curve["mse"]:
            continue
        low, high = (f"{end:g}" for end in (min(curve["levels"]), max(curve["levels"])))
        title = f"MSE under {curve_title(name, curve)} {low}–{high}"
        yield Column(f"test_{name}_{low}_to_{high}_mse", title), [fmean(curve["mse"])]
    if (distance := (run.metrics.get("frechet") or {}).get("samples")) is not None:
        column = Column("test_frechet_samples", "Fréchet distance of samples")
        yield column, _seeds(run, "frechet.samples", distance)
    if (seconds := (run.run.get("phases") or {}).get("train")) is not None:
        yield Column("train_seconds", "seconds of training"), [float(seconds)]


def _seeds(run: FoundRun, key: str, value: Any) -> list[float]:
    """The score of each seed, or the run's own."""
    several = run.replicas["scores"].get(key) if run.replicas else None
    return [float(one) for one in (several["values"] if several else [value])]
