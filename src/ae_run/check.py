"""`task=check`: what a run would do, before it is started; trains nothing that is kept.

Shows the images as the model gets them, their splits, classes and duplicates, the model layer by
layer, and what training will take.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ae_run import console, data, devices, models
from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.images import to_uint8
from ae_run.job import Job
from ae_run.models import Autoencoder, Stage
from ae_run.training import optimizers, precision
from ae_run.training.length import known_epochs, steps_per_epoch, with_epochs
from ae_run.training.step import Binarizer, Corruptor, Step, TrainingImages, batches

_COLUMNS, _ROWS = 12, 4
_PIXELS = 84
"""Images are enlarged to about so many pixels a side."""
_BETWEEN = (128, 128, 128, 255)
"""The colour between images: grey, so that white and black ones have an edge."""
_WARM_UP, _TIMED = 2, 5
"""Steps of each stage that are taken to see how long one takes."""
_CLASSES = 20
"""Whose sizes are listed."""
_NAMED = 5
"""Unreadable files whose names are listed."""


def check(job: Job) -> None:
    """Print what the run would do, and draw some of its images."""
    dataset = data.load(job.config.data)
    config, device = with_epochs(job.config, len(dataset.train)), devices.resolve(job.config.device)
    torch.set_num_threads(precision.threads(config.train, len(dataset.train), device))
    torch.manual_seed(config.seed)
    model = models.build(config.model, dataset.image_shape, dataset.mean_pixel).to(device)
    images = TrainingImages(dataset, device)
    console.say("\n".join(_data_lines(dataset)))
    console.say(_picture(config, images, Path("outputs") / f"check-{job.label}.png"))
    layers = list(_layers(model, images.slice(0, 2)))
    console.say("\n" + "\n".join(_model_lines(model, layers)))
    console.say("\n" + "\n".join(_training_lines(config, model, images, layers)))


def _data_lines(dataset: Dataset) -> list[str]:
    facts = dataset.summary()
    shape = " × ".join(map(str, dataset.image_shape))
    lines = [
        f"data       {facts['images']:,} images of {shape} (channels × height × width)",
        f"splits     {facts['train']:,} train, {facts['validation']:,} validation, "
        f"{facts['test']:,} test",
    ]
    if dataset.skipped:
        names = ", ".join(dataset.skipped[:_NAMED])
        more = len(dataset.skipped) - _NAMED
        lines.append(
            f"skipped    {len(dataset.skipped):,} files: {names}"
            + (f" and {more:,} more" if more > 0 else "")
        )
    for name, count in dataset.twins.items():
        where = name.replace("_", " ")
        lines.append(f"duplicates {count:,} {where}" if count else f"duplicates none {where}")
    labels = (dataset.train.labels, dataset.validation.labels)
    counts = [np.bincount(part, minlength=len(dataset.class_names)) for part in labels]
    lines.append(f"classes    {len(dataset.class_names)}, images of train + validation:")
    listed = list(zip(dataset.class_names, *counts, strict=True))
    lines += [f"           {name}: {train} + {rest}" for name, train, rest in listed[:_CLASSES]]
    if len(listed) > _CLASSES:
        lines.append(f"           and {len(listed) - _CLASSES} more")
    return lines


def _picture(config: Config, images: TrainingImages, path: Path) -> str:
    """Draw images as the model gets them, each above its target where the two differ."""
    from PIL import Image

    from ae_run.drawing.image_grid import image_grid, wrap

    index = batches(config.seed, 1, images, _COLUMNS * _ROWS)[0]
    binarize = Binarizer(images)
    binarize.start_epoch(config.seed, 1)
    target = binarize(images.take(index))
    rows, _ = wrap(to_uint8(target), _COLUMNS)
    what = "images as the model gets them"
    if config.corruption.name != "none":
        corrupt = Corruptor(config.corruption, images)
        corrupt.generator.manual_seed(config.seed)
        inputs, _ = wrap(to_uint8(corrupt(target, index)), _COLUMNS)
        rows = np.stack([inputs, rows], 1).reshape(-1, *rows.shape[1:])
        what = "images as the model gets them, each row above the targets of the same images"
    grid = image_grid(rows, 2, 2)
    grid[grid[..., 3] == 0] = _BETWEEN
    scale = max(1, round(_PIXELS / rows.shape[-1]))
    try:
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(grid.repeat(scale, 0).repeat(scale, 1)).save(path)
    except OSError as error:
        return f"picture    none: {path} cannot be written: {error.strerror}"
    return f"picture    {path}: {what}"


@dataclass(frozen=True)
class _Layer:
    """A layer of the model, as one image goes through it."""

    name: str
    kind: str
    shape: tuple[int, ...]
    """Of its output, without the batch."""
    parameters: int

    @property
    def values(self) -> int:
        return int(np.prod(self.shape))


@torch.no_grad()
def _layers(model: Autoencoder, images: Tensor) -> Iterator[_Layer]:
    """The layers that have no layers in them, in the order in which they are called."""
    found: list[_Layer] = []
    hooks = []
    for name, module in model.named_modules():
        if any(True for _ in module.children()):
            continue

        def note(module: nn.Module, _: object, output: object, name: str = name) -> None:
            if isinstance(output, Tensor):
                count = sum(p.numel() for p in module.parameters())
                shape = tuple(output.shape[1:])
                found.append(_Layer(name, type(module).__name__, shape, count))

        hooks.append(module.register_forward_hook(note))
    model.eval().reconstruct(images)
    for hook in hooks:
        hook.remove()
    yield from found


def _model_lines(model: Autoencoder, layers: list[_Layer]) -> list[str]:
    count = sum(p.numel() for p in model.parameters())
    lines = [f"{'layer':<28}{'kind':<18}{'output':<18}{'parameters':>12}"]
    for layer in layers:
        shape = " × ".join(map(str, layer.shape))
        lines.append(f"{layer.name:<28}{layer.kind:<18}{shape:<18}{layer.parameters:>12,}")
    shown = sum({layer.name: layer.parameters for layer in layers}.values())
    if count > shown:
        lines.append(f"{'others':<64}{count - shown:>12,}")
    if fixed := sum(buffer.numel() for buffer in model.buffers()):
        lines.append(f"{'not trained':<64}{fixed:>12,}")
    return [*lines, f"{f'in all, code of {model.latent_dim} numbers':<64}{count:>12,}"]


def _training_lines(
    config: Config, model: Autoencoder, images: TrainingImages, layers: list[_Layer]
) -> list[str]:
    settings, device = config.train, images.device
    number_format = precision.choose(settings.precision, model, device)
    steps = steps_per_epoch(len(images), settings.batch_size)
    lines, seconds, state = [], 0.0, 0
    for stage in model.stages():
        if stage.solve is not None:
            lines.append(f"stage      {stage.name}: in closed form")
            continue
        epochs = stage.epochs or known_epochs(settings)
        stage.begin()
        each, size = _timed(config, stage, images, number_format)
        state = max(state, size)
        seconds += each * steps * epochs
        lines.append(
            f"stage      {stage.name}: {epochs:,} epochs of {steps:,} steps, {epochs * steps:,} "
            f"steps in all, {1000 * each:.1f} ms a step"
        )
    seconds *= settings.replicas
    seeds = f" for {settings.replicas} seeds" if settings.replicas > 1 else ""
    batch = min(settings.batch_size, len(images))
    parameters = sum(4 * p.numel() for p in model.parameters())
    # Forward and backward each keep the output of every layer.
    activations = 2 * 4 * batch * sum(layer.values for layer in layers)
    pixels = len(images) * int(np.prod(images.slice(0, 1).shape))
    megabytes = (2 * parameters + state + activations + pixels) / 1e6
    return [
        *lines,
        f"device     {devices.describe(device)}, {number_format}",
        f"time       about {_duration(seconds)} of training{seeds}; validation, evaluation and "
        "figures come on top",
        f"memory     about {megabytes:,.0f} MB for images, weights, optimizer and activations, "
        "beside PyTorch itself",
    ]


def _timed(
    config: Config, stage: Stage, images: TrainingImages, number_format: str
) -> tuple[float, int]:
    """Seconds of a step, and bytes of the optimizer's state after it."""
    optimizer = optimizers.build(config.train, stage.parameters, images.device)
    step = Step(config, number_format, stage, optimizer, images)
    order = step.start_epoch(1)
    started = time.perf_counter()
    for i in range(_WARM_UP + _TIMED):
        if i == _WARM_UP:
            _wait(images.device)
            started = time.perf_counter()
        step(order[i % len(order)])
    _wait(images.device)
    held = [value for state in optimizer.state.values() for value in state.values()]
    size = sum(t.numel() * t.element_size() for t in held if isinstance(t, Tensor))
    return (time.perf_counter() - started) / _TIMED, size


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
