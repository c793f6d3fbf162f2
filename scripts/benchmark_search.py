"""Benchmark of the search on this machine and on built-in data: samplers, workers, overhead.

`python scripts/benchmark_search.py` runs `ae-run task=search` on the `conv_ae` space and writes a
figure and all measurements to `outputs/reference/benchmark/`:

- TPE against random search with the same number of trials, over several seeds;
- seconds for the same trials with one worker and with one per core, interleaved;
- the sampler's share of the time in a long search of short trials.

What a search costs beside its trials is measured by `benchmark_search_scale.py`.
"""

import argparse
import contextlib
import csv
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import ae_run
from ae_run.processes import usable_cores
from ae_run.search.samplers import PerTrial

OUT = Path(__file__).parent.parent / "outputs" / "reference" / "benchmark"
COMMON = ["task=search", "search=conv_ae", "data=digits", "search.refit=none"]


def search(folder: Path, name: str, *overrides: str) -> Path:
    """Run one search below a folder; return the search's folder."""
    command = [sys.executable, "-m", "ae_run", *COMMON, f"search.name={name}", *overrides]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"benchmark: {' '.join(command)} failed:\n{done.stderr}")
    return folder / "outputs" / "search" / name


def best_so_far(folder: Path) -> list[float]:
    """The best complete value after each trial, in order of trial number."""
    best, curve = float("inf"), []
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["state"] == "complete":
                best = min(best, float(row["value"]))
            curve.append(best)
    return curve


def samplers(folder: Path, seeds: int, trials: int) -> dict[str, list[list[float]]]:
    """The best so far for each sampler and seed; with one worker, so that trials are in order."""
    curves: dict[str, list[list[float]]] = {"tpe": [], "random": []}

    def one(name: str, seed: int) -> list[float]:
        path = search(
            folder,
            f"{name}-{seed}",
            *(f"search.sampler={name}", f"seed={seed}", f"search.n_trials={trials}"),
            *("train.threads=1", "train.epochs=30", "search.workers=1"),
        )
        return best_so_far(path)

    with ThreadPoolExecutor(usable_cores()) as pool:  # of threads that wait for processes
        runs = {
            (name, seed): pool.submit(one, name, seed) for seed in range(seeds) for name in curves
        }
        for (name, seed), run in runs.items():
            curves[name].append(run.result())
            print(f"{name}, seed {seed}: best {curves[name][-1][-1]:.5f}", flush=True)
    return curves


def workers(folder: Path, repeats: int) -> dict[str, Any]:
    """Seconds for the same trials with one worker and with one per core."""
    cores = usable_cores()
    seconds: dict[int, list[float]] = {1: [], cores: []}
    for turn in range(repeats):
        for count, taken in seconds.items():
            started = time.perf_counter()
            search(
                folder,
                f"workers-{count}-{turn}",
                *("search.sampler=random", "search.n_trials=12", "search.pruner=none"),
                *("train.epochs=20", f"search.workers={count}"),
            )
            taken.append(time.perf_counter() - started)
            print(f"{count} workers: {taken[-1]:.1f} s", flush=True)
    ratios = [one / many for one, many in zip(seconds[1], seconds[cores], strict=True)]
    return {"cores": cores, "seconds": seconds, "gain": statistics.median(ratios)}


def overhead(folder: Path, trials: int) -> dict[str, Any]:
    """The sampler's time in a search of half-second trials, run in this process."""
    args = [*COMMON, "search.name=overhead", "train.epochs=8", "data.limit=400"]
    args += ["search.workers=1", f"search.n_trials={trials}"]
    with (
        contextlib.chdir(folder),
        sampler_timed() as calls,
        contextlib.redirect_stdout(io.StringIO()),
    ):
        if ae_run.main(args):
            raise SystemExit(f"benchmark: {' '.join(args)} failed")
    facts = json.loads((folder / "outputs/search/overhead/search.json").read_text(encoding="utf-8"))
    worked = facts["trial_seconds"]
    return {
        "trials": trials,
        "seconds_per_trial": worked / trials,
        "sampler_seconds": round(sum(calls), 3),
        "sampler_share": round(sum(calls) / worked, 5),
    }


def timed(method: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The same function; the seconds of every call are collected."""

    def call(*args: Any) -> Any:
        started = time.perf_counter()
        try:
            return method(*args)
        finally:
            seconds.append(time.perf_counter() - started)

    return call


@contextlib.contextmanager
def sampler_timed() -> Iterator[list[float]]:
    """Collect the seconds of every call to the search's sampler."""
    calls: list[float] = []
    methods = {k: v for k, v in vars(PerTrial).items() if callable(v) and not k.startswith("_")}
    with contextlib.ExitStack() as stack:
        for name, method in methods.items():
            stack.enter_context(mock.patch.object(PerTrial, name, timed(method, calls)))
        yield calls


def draw(curves: dict[str, list[list[float]]], path: Path) -> None:
    """Draw the best so far: its mean over the seeds, and each seed as a thin line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    axis = figure.subplots()
    for (name, lines), color in zip(curves.items(), ("#0072B2", "#999999"), strict=True):
        for line in lines:
            axis.plot(range(1, len(line) + 1), line, color=color, alpha=0.3, linewidth=1)
        mean = [statistics.fmean(values) for values in zip(*lines, strict=True)]
        axis.plot(range(1, len(mean) + 1), mean, color=color, linewidth=2.4, label=name)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set_xlabel("trials")
    axis.set_ylabel("best validation MSE so far")
    axis.set_yscale("log")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, title=f"mean of {len(lines)} seeds")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, and write the figure and the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--many", type=int, default=500, help="trials to measure the sampler by")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        curves = samplers(folder, args.seeds, args.trials)
        draw(curves, args.out / "samplers.png")
        finals = {name: [line[-1] for line in lines] for name, lines in curves.items()}
        result = {
            "best": finals,
            "mean_best": {name: statistics.fmean(values) for name, values in finals.items()},
            "workers": workers(folder, args.repeats),
            "overhead": overhead(folder, args.many),
            "best_so_far": curves,
        }
    (args.out / "search.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({k: v for k, v in result.items() if k != "best_so_far"}, indent=1))


if __name__ == "__main__":
    main()
