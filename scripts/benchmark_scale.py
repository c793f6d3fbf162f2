"""Benchmark of data sets of growing size on this machine, with synthetic images made on the fly.

`python scripts/benchmark_scale.py` writes a folder of PNG files for each size, trains a small dense
net on it, and compares with torchvision's `ImageFolder` and `DataLoader` and the same net:

- seconds from the command to the first training step, at the first and at the second start;
- images/s with the images in memory and streamed from the disk;
- peak memory, and what the files and the cache take on the disk.

Table, figure and measurements go to `outputs/reference/benchmark/`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ae_run.processes import peak_memory, usable_cores

OUT = Path(__file__).parent.parent / "outputs" / "reference" / "benchmark"
BATCH = 512
CLASSES = 10
WAYS = {
    "first": "first start",
    "memory": "second start, in memory",
    "streamed": "second start, streamed",
    "torchvision": "ImageFolder + DataLoader",
}
"""What is measured, in this order."""
Row = dict[str, Any]
_STEPS = 100
"""Most steps of an epoch of `ImageFolder` that are timed."""


def images(count: int, shape: tuple[int, int, int], seed: int = 0) -> Iterator[np.ndarray]:
    """Smooth blobs in noise, uint8 (H, W, C): compressible as pictures are, and all different."""
    height, width, channels = shape
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    for _ in range(count):
        centre, size = random.uniform(0.2, 0.8, (2, channels)), random.uniform(0.02, 0.2, channels)
        blob = np.exp(-((y[..., None] - centre[0]) ** 2 + (x[..., None] - centre[1]) ** 2) / size)
        noise = random.integers(0, 8, (height, width, channels))
        yield (blob * 247 + noise).astype(np.uint8)


def write_folder(folder: Path, count: int, shape: tuple[int, int, int]) -> None:
    """A folder of PNG files, with a sub-folder for each class."""
    from PIL import Image

    for i in range(CLASSES):
        (folder / str(i)).mkdir(parents=True)
    for i, pixels in enumerate(images(count, shape)):
        image = Image.fromarray(pixels[..., 0] if shape[2] == 1 else pixels)
        image.save(folder / str(i % CLASSES) / f"{i}.png", compress_level=1)


def disk(folder: Path) -> int:
    """Bytes that a folder takes on the disk."""
    entries = (Path(at, name) for at, _, names in os.walk(folder) for name in names)
    return sum(
        getattr(stat := path.stat(), "st_blocks", stat.st_size // 512) * 512 for path in entries
    )


def ours(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Two epochs of `ae-run`'s own loop, in this process."""
    from ae_run import data, training
    from ae_run.composition import compose
    from ae_run.config import validate
    from ae_run.training import step
    from ae_run.training.run import start, training_facts

    config = validate(compose(*overrides(args, folder)))
    seconds: list[float] = []
    take_step = step.Step.__call__

    def noted(self: step.Step, index: Any) -> Any:
        if not seconds:
            seconds.append(time.time() - args.started)
        return take_step(self, index)

    step.Step.__call__ = noted  # type: ignore[method-assign]
    run = start(config, data.load(config.data), None, "benchmark", [])
    for _ in training.fit(run):
        pass
    rate = training_facts(run)["train_images_per_second"]
    return {"first_step": seconds[0], "images_per_second": rate}


def overrides(args: argparse.Namespace, folder: Path) -> list[str]:
    """The run's command line."""
    return [
        "data=folder",
        f"data.path={folder}",
        f"data.size={args.shape[0]}",
        f"data.channels={args.shape[2]}",
        f"data.memory={0 if args.way == 'streamed' else 1000}",
        "model=dense_ae",
        "model.widths=[64]",
        "train.epochs=2",
        f"train.batch_size={BATCH}",
        f"device={args.device}",
        f"run_dir={folder.parent / f'{args.way}-{args.started}'}",
    ]


def torchvision(args: argparse.Namespace, folder: Path) -> dict[str, float]:
    """The same net and optimizer in a plain loop over `ImageFolder` and `DataLoader`."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from ae_run import models
    from ae_run.composition import compose
    from ae_run.config import validate

    config = validate(compose(*overrides(args, folder)))
    height, width, channels = args.shape
    grey = [transforms.Grayscale()] if channels == 1 else []
    dataset = ImageFolder(str(folder), transforms.Compose([*grey, transforms.ToTensor()]))
    cores = usable_cores()
    loader = DataLoader(dataset, BATCH, shuffle=True, num_workers=cores, persistent_workers=True)
    model = models.build(config.model, (channels, height, width)).to(args.device)
    optimizer = torch.optim.AdamW(model.parameters())
    first = 0.0
    for _ in range(2):  # the second epoch is measured
        began, done = time.perf_counter(), 0
        for batch, _ in islice(loader, _STEPS):
            first = first or time.time() - args.started
            batch = batch.to(args.device)
            model.loss(batch, batch).total.mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            done += len(batch)
    return {"first_step": first, "images_per_second": done / (time.perf_counter() - began)}


def child(args: argparse.Namespace) -> None:
    """One measurement, printed as JSON."""
    folder = Path(args.child)
    found = torchvision(args, folder) if args.way == "torchvision" else ours(args, folder)
    print(json.dumps(found | {"peak_bytes": peak_memory()}))


def measured(
    args: argparse.Namespace, way: str, folder: Path, shape: tuple[int, int, int]
) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, "--child", str(folder), "--way", way]
    command += ["--shape", *map(str, shape), "--device", args.device]
    command += ["--started", str(time.time())]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder.parent / "cache")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"benchmark: {' '.join(command)} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(args: argparse.Namespace, count: int, shape: tuple[int, int, int]) -> Iterator[Row]:
    """All measurements of so many images, a row for each way."""
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        folder = Path(scratch) / "images"
        write_folder(folder, count, shape)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for turn in range(args.repeats):
            for way in WAYS if turn == 0 else list(WAYS)[1:]:
                found[way].append(measured(args, way, folder, shape))
                print(f"{count:,} {shape} {way}: {found[way][-1]}", flush=True)
        size = {"files_bytes": disk(folder), "cache_bytes": disk(folder.parent / "cache")}
    for way, ones in found.items():
        middle = {key: median(one[key] for one in ones) for key in ones[0]}
        yield {"images": count, "shape": list(shape), "way": way, **middle, **size}


def table(rows: list[Row], device: str) -> str:
    """The measurements as Markdown."""
    lines = [
        "# Data sets of growing size",
        "",
        f"A dense net with 64 hidden units, batches of {BATCH}, on {device}; "
        "`python scripts/benchmark_scale.py` measures again. First starts are one "
        "measurement, the others the median of several, in turn. Memory is that "
        "of the main process.",
        "",
        "| images | shape | way | s to the first step | images/s | peak MB | files MB | cache MB |",
        "|---:|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        shape = "×".join(map(str, row["shape"]))
        memory = "–" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 1e6:,.0f}"
        lines.append(
            f"| {row['images']:,} | {shape} | {WAYS[row['way']]} | {row['first_step']:.1f} | "
            f"{row['images_per_second']:,.0f} | {memory} | {row['files_bytes'] / 1e6:,.0f} | "
            f"{row['cache_bytes'] / 1e6:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def draw(rows: list[Row], path: Path) -> None:
    """Seconds to the first step and images/s over the number of images of 28×28."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = {"first_step": "seconds to the first step", "images_per_second": "images per second"}
    figure, axes = plt.subplots(1, len(panels), figsize=(9, 3.4), layout="constrained")
    for axis, (key, title) in zip(axes, panels.items(), strict=True):
        for way, name in WAYS.items():
            own = [row for row in rows if row["way"] == way and row["shape"][2] == 1]
            axis.plot([r["images"] for r in own], [r[key] for r in own], marker="o", label=name)
        axis.set(xscale="log", yscale="log", xlabel="images of 28×28", title=title)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, or be one measurement."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000], help="of 28×28")
    parser.add_argument("--large", type=int, nargs="*", default=[1_000], help="of 64×64×3")
    parser.add_argument("--repeats", type=int, default=3, help="of all but the first start")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scratch", default=None, help="a folder on the disk to measure")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--shape", type=int, nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--started", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args)
        return
    rows: list[Row] = []
    args.out.mkdir(parents=True, exist_ok=True)
    cases = [(n, (28, 28, 1)) for n in args.sizes] + [(n, (64, 64, 3)) for n in args.large]
    for count, shape in cases:
        rows += measure(args, count, shape)
        (args.out / "scale.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        (args.out / "scale.md").write_text(table(rows, args.device), encoding="utf-8")
        draw(rows, args.out / "scale.png")


if __name__ == "__main__":
    main()
