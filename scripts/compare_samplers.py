"""Compare samplers at the same number of trials, over seeds: a figure, and the numbers behind it.

    python scripts/compare_samplers.py [--trials 20] [--seeds 3] [KEY=VALUE …]

Each search is an `ae-run task=search` of its own, without pruning; run again, it goes on where
it was stopped. Writes `outputs/samplers.png` and `outputs/samplers.json`.
"""

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np

from ae_run.figures import _style

SAMPLERS = ("random", "tpe")
DEFAULTS = ("search=conv_ae", "data.limit=600", "train.epochs=12")


def search(sampler: str, seed: int, trials: int, overrides: list[str]) -> list[float]:
    """The scores of one search, in the order of its trials' numbers."""
    name = f"compare-{sampler}-{seed}"
    arguments = [
        *("task=search", *DEFAULTS, "evaluate=quick", "search.pruner=none", "search.refit=none"),
        *(f"seed={seed}", f"search.sampler={sampler}", f"search.name={name}"),
        *(f"search.n_trials={trials}", *overrides),
    ]
    subprocess.run([sys.executable, "-m", "ae_run", *arguments], check=True)
    with Path(f"outputs/search/{name}/trials.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["state"] in ("complete", "failed")]
    return [float(row["value"]) if row["value"] else np.inf for row in rows]


def main() -> None:
    """Search with every sampler and seed, then draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    known, overrides = parser.parse_known_args()
    best = {
        sampler: [
            np.minimum.accumulate(search(sampler, seed, known.trials, overrides)).tolist()
            for seed in range(known.seeds)
        ]
        for sampler in SAMPLERS
    }
    target = Path("outputs")
    (target / "samplers.json").write_text(json.dumps(best, indent=2) + "\n")
    draw(best, target / "samplers.png")
    for sampler, runs in best.items():
        last = [run[-1] for run in runs]
        print(f"{sampler:<8} mean best {np.mean(last):.6f}  {[round(x, 6) for x in last]}")


def draw(best: dict[str, list[list[float]]], path: Path) -> None:
    """The best score so far over trials: the mean over seeds, and each seed."""
    style = _style.make("default", 150)
    with matplotlib.rc_context(style.rc):
        figure = style.figure(6, 3.4, "Best score so far, by sampler")
        axes = figure.subplots()
        for index, (sampler, runs) in enumerate(best.items()):
            trials = np.arange(1, len(runs[0]) + 1)
            for run in runs:
                axes.step(trials, run, where="post", color=style.color(index), lw=0.7, alpha=0.5)
            mean = np.mean(runs, axis=0)
            axes.step(trials, mean, where="post", color=style.color(index), lw=2,
                      label=f"{sampler}, mean of {len(runs)} seeds: {mean[-1]:.5f}")  # fmt: skip
        worst = max(run[len(run) // 4] for runs in best.values() for run in runs)
        axes.set(xlabel="trials", ylabel="validation score (MSE)")
        axes.set_ylim(top=1.1 * worst)
        axes.legend()
        figure.savefig(path)


if __name__ == "__main__":
    main()
