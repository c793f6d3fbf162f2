"""The training loop.

Read it from top to bottom: `fit` goes through stages and epochs, `_train_epoch` through steps.
It has no hooks and no callbacks; `fit` yields after each epoch, and whoever wants to stop early,
such as a search that prunes, stops asking.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ae_run import corruptions
from ae_run.config import Config
from ae_run.data import Dataset
from ae_run.data._batches import DeviceImages
from ae_run.errors import Interrupted, UserError
from ae_run.evaluation.snapshots import Snapshots
from ae_run.models import Autoencoder, Stage
from ae_run.randomness import GeneratorNoise, derive_seed, generator
from ae_run.run_folder import RunFolder
from ae_run.training import checkpoints, optimizers, precision
from ae_run.training.checkpoints import Progress
from ae_run.training.interrupts import StopRequest, stop_requests
from ae_run.training.progress_bar import ProgressBar
from ae_run.training.step_losses import StepLosses, check_finite
from ae_run.training.validation import Validator


@dataclass
class Fit:
    """What a training run consists of."""

    config: Config
    model: Autoencoder
    dataset: Dataset
    folder: RunFolder
    device: torch.device
    precision: str
    """float32, bfloat16 or float64."""

    @property
    def monitor(self) -> str:
        """The validation score that picks the best weights."""
        chosen = self.config.train.monitor
        return self.model.monitor if chosen == "auto" else chosen


def fit(run: Fit) -> Iterator[dict[str, Any]]:
    """Train; after each epoch is saved, yield its line of the history.

    Goes on after the last finished epoch that the run folder holds, with the same result, bit
    for bit on a CPU, as if it had never stopped.

    Raises:
        RunFailed: a loss or a validation score was not finite.
        Interrupted: the user or the system asked to stop.
    """
    dtype = precision.dtype(run.precision)
    run.model.to(run.device, dtype)
    _channels_last(run.model)
    images = DeviceImages(run.dataset.train.images, run.device, dtype)
    validator = Validator(run.config, run.dataset.validation, run.device, dtype)
    snapshots = Snapshots(run.config, run.dataset, run.folder, run.device, dtype)
    progress, saved = checkpoints.load_resume(run.folder)
    with stop_requests() as stop:
        for index, stage in enumerate(run.model.stages()):
            if index < progress.stage:
                continue
            if index > progress.stage:
                progress.stage, progress.stage_epoch, progress.best_score = index, 0, None
            optimizer = optimizers.build(run.config.train, stage.parameters, run.device)
            if saved:
                checkpoints.load_state(run.model, saved["model"])
                optimizer.load_state_dict(saved["optimizer"])
                saved = {}
            epochs = _epochs(run, stage)
            bar = ProgressBar(run.folder, stage.name, len(images), progress.stage_epoch, epochs)
            try:
                while progress.stage_epoch < epochs and not _out_of_patience(run, progress):
                    started = time.perf_counter()
                    if stage.solve is not None:
                        losses = _solve(run, stage, images, validator, progress)
                    else:
                        losses = _train_epoch(run, stage, optimizer, images, progress, bar, stop)
                    trained = time.perf_counter()
                    scores = validator.scores(run.model)
                    check_finite(scores, progress.epoch + 1)
                    row: dict[str, Any] = {
                        "epoch": progress.epoch + 1,
                        "stage": stage.name,
                        "lr": float(optimizer.param_groups[0]["lr"]),
                        **{f"train_{name}": value for name, value in losses.items()},
                        **{f"validation_{name}": value for name, value in scores.items()},
                        "train_seconds": round(trained - started, 6),
                        "validation_seconds": round(time.perf_counter() - trained, 6),
                    }
                    every = run.config.train.snapshot_every
                    if every is not None and row["epoch"] % every == 0:
                        snapshots.take(run.model, row["epoch"])
                    _save_epoch(run, progress, row, optimizer)
                    bar.epoch(row, f"validation_{run.monitor}")
                    yield row
            finally:
                bar.close()


def _train_epoch(
    run: Fit,
    stage: Stage,
    optimizer: torch.optim.Optimizer,
    images: DeviceImages,
    progress: Progress,
    bar: ProgressBar,
    stop: StopRequest,
) -> dict[str, float]:
    """One pass over the training images; return each loss term's mean."""
    settings, seed, epoch = run.config.train, run.config.seed, progress.epoch + 1
    corrupt = corruptions.build(run.config.corruption)
    noise = GeneratorNoise(generator(seed, "noise", epoch, run.device))
    torch.manual_seed(derive_seed(seed, "step", epoch))  # dropout and latent samples
    batches = _order(run, len(images), epoch)
    steps = len(batches) * _epochs(run, stage)
    losses = StepLosses(len(batches))
    run.model.train()
    for step, index in enumerate(batches):
        lr = optimizers.learning_rate(settings, progress.stage_epoch * len(batches) + step, steps)
        optimizers.set_learning_rate(optimizer, lr)
        target = images.take(index)  # (B, C, H, W) in [0, 1]
        with torch.autocast(run.device.type, torch.bfloat16, enabled=run.precision == "bfloat16"):
            terms = stage.loss(corrupt(target, noise), target)  # per image, (B,)
        terms.total.mean().backward()  # type: ignore[no-untyped-call]
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(stage.parameters, settings.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.add(step, terms)
        bar.step(len(index))
        if stop.signal_number is not None:
            raise Interrupted(f"stopped in epoch {epoch}", stop.signal_number)
    return losses.means(len(images), epoch)  # the one point where the host waits


@torch.no_grad()
def _solve(
    run: Fit, stage: Stage, images: DeviceImages, validator: Validator, progress: Progress
) -> dict[str, float]:
    """Let a stage find its weights in closed form; return each loss term's mean after that."""
    assert stage.solve is not None
    epoch = progress.epoch + 1
    corrupt = corruptions.build(run.config.corruption)
    batches = _order(run, len(images), epoch)

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        noise = GeneratorNoise(generator(run.config.seed, "noise", epoch, run.device))
        for index in batches:
            target = images.take(index)
            yield corrupt(target, noise), target

    run.model.eval()
    stage.solve(pairs, validator.pairs)
    losses = StepLosses(len(batches))
    for step, (x_in, target) in enumerate(pairs()):
        losses.add(step, stage.loss(x_in, target))
    return losses.means(len(images), epoch)


def _epochs(run: Fit, stage: Stage) -> int:
    return 1 if stage.solve is not None else stage.epochs or run.config.train.epochs


def _order(run: Fit, count: int, epoch: int) -> list[Tensor]:
    """The epoch's batches as positions, shuffled; the last one may be shorter."""
    source = generator(run.config.seed, "order", epoch)
    order = torch.randperm(count, generator=source).to(run.device)
    batches = list(torch.split(order, run.config.train.batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        # Batch normalisation has no variance over one image.
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _save_epoch(
    run: Fit, progress: Progress, row: dict[str, Any], optimizer: torch.optim.Optimizer
) -> None:
    """Save the best weights and the state to go on from; the latter last, since it decides."""
    progress.epoch += 1
    progress.stage_epoch += 1
    score = row.get(f"validation_{run.monitor}")
    best = progress.best_score
    if score is None or best is None or score < best - run.config.train.min_delta:
        progress.best_score, progress.best_epoch = score, progress.epoch
        checkpoints.save_weights(run.folder, run.model)
    progress.history.append(row)
    run.folder.write_csv("history.csv", progress.history)
    checkpoints.save_resume(run.folder, progress, run.model, optimizer)


def _out_of_patience(run: Fit, progress: Progress) -> bool:
    patience = run.config.train.patience
    if patience is None or progress.stage_epoch == 0:
        return False
    return progress.epoch - progress.best_epoch >= patience


def _channels_last(model: nn.Module) -> None:
    """Lay convolution weights out as (O, H, W, I), which is faster on CPUs and on CUDA."""
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def check_monitor(run: Fit) -> None:
    """Refuse a `train.monitor` that the model has no score of.

    Raises:
        UserError: it has none.
    """
    names = sorted(run.model.score_names())
    if run.monitor not in names:
        raise UserError(
            f"train.monitor={run.monitor}: model {run.config.model.name} has no such score; "
            f"choices: {', '.join(names)}"
        )
