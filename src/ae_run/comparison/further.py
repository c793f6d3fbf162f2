"""What sets runs apart beside their errors: probes, robustness, samples, time."""

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import NamedTuple

from ae_run.comparison.runs import FoundRun
from ae_run.drawing.words import curve_title


class Column(NamedTuple):
    """A column of a table."""

    name: str
    """In the CSV file."""
    title: str
    """On the page."""


def scores(run: FoundRun) -> Iterator[tuple[Column, list[float]]]:
    """Each column with its values, one per seed where they are known."""
    for name, found in (run.metrics.get("probe") or {}).items():
        if isinstance(found, Mapping) and found.get("accuracy") is not None:
            title = f"accuracy of the {name.replace('_', ' ')} probe"
            yield (
                Column(f"test_{name}_accuracy", title),
                run.per_seed(f"probe.{name}.accuracy", found["accuracy"]),
            )
    for name, curve in (run.metrics.get("robustness") or {}).items():
        if None in curve["mse"]:
            continue
        low, high = (f"{end:g}" for end in (min(curve["levels"]), max(curve["levels"])))
        title = f"MSE under {curve_title(name, curve)} {low}–{high}"
        yield Column(f"test_{name}_{low}_to_{high}_mse", title), [fmean(curve["mse"])]
    if (distance := (run.metrics.get("frechet") or {}).get("samples")) is not None:
        column = Column("test_frechet_samples", "Fréchet distance of samples")
        yield column, run.per_seed("frechet.samples", distance)
    if (seconds := (run.run.get("phases") or {}).get("train")) is not None:
        yield Column("train_seconds", "seconds of training"), [float(seconds)]
