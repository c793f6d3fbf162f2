"""Benchmark of `ae-run`'s training loop against the alternatives, on this machine.

`AE_RUN_DATA=… python scripts/benchmark.py` trains the same nets on MNIST with each contender of
`scripts/contenders.py`, interleaved and in separate processes, and writes a table, figures and all
measurements to `outputs/reference/benchmark/`. Ratios are between runs of the same round, so that
other load on the machine affects both.
"""

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from contenders import NETS, unpack_mnist

import ae_run

HERE = Path(__file__).parent
MNIST = HERE.parent / "outputs" / "benchmark"  # torchvision's, unpacked before the timing starts
OUT = HERE.parent / "outputs" / "reference" / "benchmark"

Row = dict[str, Any]


def cases(quick: bool) -> list[Row]:
    """The cases to train: net, noise, batch size, and images per epoch."""
    grid = [("lab", 0.0, 128), ("wide", 0.0, 128)]
    if not quick:
        grid += [("lab", 0.1, 128), ("wide", 0.1, 128)]
        grid += [(net, 0.0, batch) for net in ("lab", "wide") for batch in (256, 1024)]
    images = {"lab": 12_000, "wide": 4_000}
    return [
        {"net": net, "noise": noise, "batch": batch, "images": images[net]}
        for net, noise, batch in grid
    ]


def contenders() -> dict[str, list[str]]:
    """Name → arguments of each contender that is installed."""
    found = {
        "ours": ["ours"],
        "ours, float32": ["ours", "--precision", "float32"],
        "by hand": ["hand"],
        "DataLoader": ["reports"],
        "DataLoader, 2 workers": ["reports", "--workers", "2"],
        "DataLoader, float32": ["reports", "--precision", "float32"],
    }
    for name in ("pythae", "lightning"):
        if importlib.util.find_spec(name):
            found[name] = [name]
    return found


def measure(arguments: list[str], case: Row, epochs: int, device: str) -> Row:
    """Measure one contender on one case, in a separate process."""
    options = [f"--{key}={value}" for key, value in case.items()]
    command = [
        sys.executable,
        str(HERE / "contenders.py"),
        *arguments,
        *options,
        f"--epochs={epochs}",
        f"--device={device}",
        f"--mnist={MNIST}",
        f"--started={time.time()}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"benchmark: {' '.join(command)} failed:\n{done.stderr}")
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def run(case: Row, repeats: int, epochs: int, device: str) -> list[Row]:
    """Measure all contenders on one case, interleaved; one row per contender."""
    names = contenders()
    if case["noise"]:
        names.pop("pythae", None)  # its trainer has no hook for noise
    results: dict[str, list[Row]] = {name: [] for name in names}
    for turn in range(repeats):
        for name, arguments in names.items():
            results[name].append(measure(arguments, case, epochs, device))
            speed = results[name][-1]["images_per_second"]
            print(f"{case} turn {turn + 1} {name}: {speed:,.0f} images/s", flush=True)
    ours = [row["images_per_second"] for row in results["ours"]]
    rows = []
    for name, measured in results.items():
        speeds = [row["images_per_second"] for row in measured]
        ratios = [a / b for a, b in zip(ours, speeds, strict=True)]
        rows.append(
            {
                **case,
                "contender": name,
                "images_per_second": statistics.median(speeds),
                "min": min(speeds),
                "max": max(speeds),
                "ours_ratio": statistics.median(ratios),
                "ratio_min": min(ratios),
                "ratio_max": max(ratios),
                "first_step_seconds": statistics.median(r["first_step_seconds"] for r in measured),
                "peak_mb": _median_or_none(row["peak_mb"] for row in measured),
            }
        )
    return rows


def _median_or_none(values: Iterable[float | None]) -> float | None:
    """The median; None where the system does not count."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def full_runs(device: str) -> list[Row]:
    """Seconds from the command to the end of 10 epochs of the lab net on 60,000 images."""
    case = {"net": "lab", "noise": 0.0, "batch": 128, "images": 60_000}
    rows = []
    for name in ("ours", "by hand", "DataLoader", "pythae"):
        if name in contenders():
            result = measure(contenders()[name], case, 10, device)
            rows.append({"contender": name, "seconds": result["total_seconds"]})
            print(f"10 epochs, {name}: {result['total_seconds']:.1f} s", flush=True)
    return rows


def precisions(device: str, seeds: int = 3) -> list[Row]:
    """Test MSE of the wide net in bfloat16 and in float32, with the same data and seeds."""
    rows = []
    for seed in range(seeds):
        row: Row = {"seed": seed}
        for precision in ("bfloat16", "float32"):
            with tempfile.TemporaryDirectory() as folder:
                code = ae_run.main(
                    [
                        "data=mnist",
                        "data.limit=12000",
                        "evaluate=quick",
                        "train.epochs=8",
                        f"device={device}",
                        f"seed={seed}",
                        f"train.precision={precision}",
                        f"run_dir={folder}/run",
                        "train.threads=2",
                        *NETS["wide"],
                    ]
                )
                if code:
                    raise SystemExit(f"benchmark: training in {precision} failed")
                metrics = json.loads(
                    (Path(folder) / "run" / "metrics.json").read_text(encoding="utf-8")
                )
            row[precision] = metrics["mse"]
        row["ratio"] = row["bfloat16"] / row["float32"]
        rows.append(row)
    return rows


def growth(device: str) -> list[Row]:
    """Seconds per epoch of our loop over images, code size and width, varied one at a time."""
    points: list[tuple[str, float, int, list[str]]] = [
        *(("images", n, n, []) for n in (1_000, 3_000, 10_000, 30_000, 60_000)),
        *(("code size", d, 10_000, [f"model.latent_dim={d}"]) for d in (2, 10, 50, 200)),
        *(
            ("channels of the first layer", c, 10_000, [f"model.channels=[{c},{2 * c},{4 * c}]"])
            for c in (8, 16, 32, 64)
        ),
    ]
    rows = []
    for axis, value, images, changes in points:
        case = {"net": "lab", "noise": 0.0, "batch": 128, "images": images}
        result = measure(["ours", "--set", *changes, "--precision", "float32"], case, 4, device)
        seconds = images / result["images_per_second"]
        rows.append({"axis": axis, "value": value, "epoch_seconds": seconds})
        print(f"{axis} {value:,}: {seconds:.3f} s per epoch", flush=True)
    return rows


def start_up(repeats: int) -> list[Row]:
    """Seconds that a command line takes to answer before any work: median, minimum, maximum."""
    commands = {
        "ae-run --help": ["--help"],
        "an unknown name": ["model=nope"],
        "an unknown key": ["model.latnet_dim=3"],
        "a value out of range": ["train.lr=-1"],
    }
    rows = []
    for name, arguments in commands.items():
        seconds = []
        for _ in range(repeats):
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "ae_run", *arguments], capture_output=True, check=False
            )
            seconds.append(time.perf_counter() - started)
        rows.append(
            {
                "command": name,
                "seconds": statistics.median(seconds),
                "min": min(seconds),
                "max": max(seconds),
            }
        )
        print(f"{name}: {rows[-1]['seconds']:.2f} s", flush=True)
    return rows


def draw_growth(rows: list[Row], path: Path) -> None:
    """Draw one panel per axis, mostly on log scales; that of images with a line of proportion."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row["axis"] for row in rows))
    figure = Figure(figsize=(3.6 * len(names), 3), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False).flat, names, strict=True):
        x, y = zip(
            *((r["value"], r["epoch_seconds"]) for r in rows if r["axis"] == name), strict=True
        )
        axis.loglog(x, y, "o-", color="#0072B2", label="measured")
        if name == "images":
            line = [y[-1] * value / x[-1] for value in x]
            axis.loglog(x, line, "--", color="#999999", label="in proportion")
            axis.legend(frameon=False)
        else:
            axis.set_ylim(min(y) / 3, max(y) * 3)
        axis.set_xticks(x, [f"{v / 1000:g}k" if v >= 1000 else f"{v:g}" for v in x])
        axis.yaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
        if name == "code size":  # hardly grows, which only an axis from 0 shows
            axis.set_yscale("linear")
            axis.set_ylim(0, 1.3 * max(y))
        axis.set_xlabel(name)
        axis.set_ylabel("seconds per epoch")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


def table(rows: list[Row], full: list[Row], scores: list[Row], begin: list[Row]) -> str:
    """The results as Markdown."""
    lines = [
        "| net | noise | batch | trained by | images/s (min … max) | ours is (min … max) "
        "| first step, s | peak MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = f"{row['ours_ratio']:.2f}× ({row['ratio_min']:.2f} … {row['ratio_max']:.2f})"
        lines.append(
            f"| {row['net']} | {row['noise']:g} | {row['batch']} | {row['contender']} "
            f"| {row['images_per_second']:,.0f} ({row['min']:,.0f} … {row['max']:,.0f}) "
            f"| {'' if row['contender'] == 'ours' else ratio} "
            f"| {row['first_step_seconds']:.1f} "
            f"| {'–' if row['peak_mb'] is None else format(row['peak_mb'], ',.0f')} |"
        )
    if full:
        lines += [
            "",
            "Lab net, 60,000 images, 10 epochs, from the command to the end:",
            "",
            "| trained by | seconds |",
            "|---|---|",
        ]
        lines += [f"| {row['contender']} | {row['seconds']:.1f} |" for row in full]
    if scores:
        lines += [
            "",
            "Test MSE of the wide net, 12,000 images, 8 epochs:",
            "",
            "| seed | bfloat16 | float32 | ratio |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {row['seed']} | {row['bfloat16']:.5f} | {row['float32']:.5f} | {row['ratio']:.3f} |"
            for row in scores
        ]
        means = [statistics.mean(row[key] for row in scores) for key in ("bfloat16", "float32")]
        lines.append(f"| mean | {means[0]:.5f} | {means[1]:.5f} | {means[0] / means[1]:.3f} |")
    if begin:
        lines += [
            "",
            "From the command to its answer, without torch:",
            "",
            "| command | seconds (min … max) |",
            "|---|---|",
        ]
        lines += [
            f"| {row['command']} | {row['seconds']:.2f} ({row['min']:.2f} … {row['max']:.2f}) |"
            for row in begin
        ]
    return "\n".join(lines) + "\n"


def draw(rows: list[Row], path: Path) -> None:
    """Draw bars of images/s, one panel per case."""
    from matplotlib.figure import Figure

    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["net"], row["noise"], row["batch"]), []).append(row)
    columns = min(2, len(groups))
    lines = -(-len(groups) // columns)
    figure = Figure(figsize=(5.2 * columns, 2.5 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).flat
    for axis, ((net, noise, batch), group) in zip(axes, groups.items(), strict=False):
        names = [row["contender"] for row in group]
        speeds = [row["images_per_second"] for row in group]
        errors = [
            [row["images_per_second"] - row["min"] for row in group],
            [row["max"] - row["images_per_second"] for row in group],
        ]
        colors = ["#0072B2" if name.startswith("ours") else "#999999" for name in names]
        axis.barh(names, speeds, xerr=errors, color=colors, ecolor="#333333")
        axis.invert_yaxis()
        axis.set_title(f"{net} net, noise {noise:g}, batch {batch}", fontsize=10)
        axis.set_xlabel("training images per second")
        axis.spines[["top", "right"]].set_visible(False)
    for axis in list(axes)[len(groups) :]:
        axis.set_axis_off()
    figure.savefig(path, dpi=120)


def machine(device: str) -> Row:
    """The hardware and software of the measurement."""
    import torch

    from ae_run import devices

    return {
        "device": devices.describe(torch.device(device)),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "packages": [name for name in contenders() if name in ("pythae", "lightning")],
    }


def main() -> None:
    """Measure, and write the table, the figures and the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two cases instead of eight")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3, help="the first one is not counted")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    unpack_mnist(MNIST)
    rows = [
        row
        for case in cases(args.quick)
        for row in run(case, args.repeats, args.epochs, args.device)
    ]
    full = [] if args.quick else full_runs(args.device)
    scores = [] if args.quick else precisions(args.device)
    grown, begin = growth(args.device), start_up(5)
    args.out.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": machine(args.device),
        "rows": rows,
        "ten_epochs": full,
        "precisions": scores,
        "growth": grown,
        "start_up": begin,
    }
    (args.out / "benchmark.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (args.out / "benchmark.md").write_text(table(rows, full, scores, begin), encoding="utf-8")
    draw(rows, args.out / "benchmark.png")
    draw_growth(grown, args.out / "growth.png")
    print(table(rows, full, scores, begin))


if __name__ == "__main__":
    main()
