"""The training loop.

Read it from top to bottom: `fit` goes through stages and epochs, `train_epoch` through steps,
`Step`, in a file of its own, through what a step does. There are no hooks and no callbacks; `fit`
yields after each epoch, and whoever wants to stop early, such as a search that prunes, stops
asking.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ae_run import devices
from ae_run.config import Config, PlateauConfig
from ae_run.data import Dataset
from ae_run.errors import Interrupted, UserError
from ae_run.images import DeviceImages
from ae_run.models import Autoencoder, Stage
from ae_run.randomness import derive_seed
from ae_run.run_folder import RunFolder
from ae_run.training import checkpoints, optimizers, precision
from ae_run.training.checkpoints import Progress
from ae_run.training.cuda_graph import AnyStep, GraphStep
from ae_run.training.interrupts import StopRequest, stop_requests
from ae_run.training.progress_bar import ProgressBar
from ae_run.training.snapshots import Snapshots
from ae_run.training.step import Corruptor, Step, batches, names, summed
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
    if run.device.type == "cpu":
        devices.keep_freed_memory()
    dtype = precision.dtype(run.precision)
    run.model.to(run.device, dtype)
    if run.precision != "bfloat16" or run.device.type != "cpu":
        channels_last(run.model)
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
                optimizers.load_state(optimizer, saved["optimizer"])
                saved = {}
            step = Step(run.config, run.precision, stage, optimizer, images)
            take_step = on_graph(run, step)
            epochs = _epochs(run, stage)
            bar = ProgressBar(run.folder, stage.name, len(images), progress.stage_epoch, epochs)
            try:
                while progress.stage_epoch < epochs and not _is_done(run, progress):
                    started = time.perf_counter()
                    if stage.solve is not None:
                        losses = _solve(run, stage, images, validator, progress)
                    else:
                        sums = train_epoch(run, step, take_step, progress, epochs, bar, stop)
                        # The one point where the host waits for the device.
                        losses = sums.means(step.names, len(images), progress.epoch + 1)
                    trained = time.perf_counter()
                    scores = validator.scores(run.model)
                    check_finite(scores, progress.epoch + 1)
                    seconds = trained - started, time.perf_counter() - trained
                    lr = float(optimizer.param_groups[0]["lr"])
                    row = history_row(progress, stage, lr, losses, scores, seconds)
                    if snapshots.due(row["epoch"]):
                        snapshots.take(run.model, row["epoch"])
                    save_epoch(run, progress, row, optimizer.state_dict())
                    bar.epoch(row, f"validation_{run.monitor}")
                    yield row
                    if stop.signal_number is not None:
                        raise Interrupted(f"stopped after epoch {row['epoch']}", stop.signal_number)
            finally:
                bar.close()


def train_epoch(
    run: Fit,
    step: AnyStep,
    take_step: Callable[[Tensor], Tensor],
    progress: Progress,
    epochs: int,
    bar: ProgressBar,
    stop: StopRequest,
) -> StepLosses:
    """One pass over the training images, of so many epochs in this stage."""
    epoch = progress.epoch + 1
    batches = step.start_epoch(epoch)
    done, steps = progress.stage_epoch * len(batches), len(batches) * epochs
    losses = StepLosses(len(batches))
    run.model.train()
    for i, index in enumerate(batches):
        lr = optimizers.learning_rate(run.config.train, done + i, steps)
        optimizers.set_learning_rate(step.optimizer, lr)
        losses.add(i, take_step(index))
        bar.step(index.numel())
        if stop.signal_number is not None:
            raise Interrupted(f"stopped in epoch {epoch}", stop.signal_number)
    return losses


@torch.no_grad()
def _solve(
    run: Fit, stage: Stage, images: DeviceImages, validator: Validator, progress: Progress
) -> dict[str, float]:
    """Let a stage find its weights in closed form; return each loss term's mean after that."""
    assert stage.solve is not None
    epoch = progress.epoch + 1
    corrupt = Corruptor(run.config.corruption, images)
    order = batches(run.config.seed, epoch, images, run.config.train.batch_size)

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        corrupt.generator.manual_seed(derive_seed(run.config.seed, "noise", epoch))
        for index in order:
            target = images.take(index)
            yield corrupt(target, index), target

    run.model.eval()
    stage.solve(pairs, validator.pairs)
    losses = StepLosses(len(order))
    for i, (x_in, target) in enumerate(pairs()):
        found = stage.loss(x_in, target)
        losses.add(i, summed(found))
    return losses.means(names(found), len(images), epoch)


def on_graph(run: Fit, step: AnyStep) -> Callable[[Tensor], Tensor]:
    """The step itself; on CUDA as a graph, where its optimizer can be captured."""
    if run.device.type != "cuda" or run.config.train.optimizer not in optimizers.CAPTURABLE:
        return step
    return GraphStep(step, run.config.train.batch_size, run.folder.say)


def _epochs(run: Fit, stage: Stage) -> int:
    return 1 if stage.solve is not None else stage.epochs or run.config.train.epochs


def history_row(
    progress: Progress,
    stage: Stage,
    lr: float,
    losses: Mapping[str, float],
    scores: Mapping[str, float],
    seconds: tuple[float, float],
) -> dict[str, Any]:
    """A line of the history; `seconds` of training and of validation."""
    return {
        "epoch": progress.epoch + 1,
        "stage": stage.name,
        "lr": lr,
        **{f"train_{name}": value for name, value in losses.items()},
        **{f"validation_{name}": value for name, value in scores.items()},
        "train_seconds": round(seconds[0], 6),
        "validation_seconds": round(seconds[1], 6),
    }


def save_epoch(
    run: Fit, progress: Progress, row: dict[str, Any], optimizer_state: dict[str, Any]
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
    checkpoints.save_resume(run.folder, progress, run.model, optimizer_state)


def _is_done(run: Fit, progress: Progress) -> bool:
    """Whether a stage ends before its last epoch: out of patience, or on a plateau."""
    settings = run.config.train
    if progress.stage_epoch == 0:
        return False
    if settings.patience is not None and progress.epoch - progress.best_epoch >= settings.patience:
        return True
    losses = [row["train_total"] for row in progress.history[-progress.stage_epoch :]]
    return settings.plateau is not None and is_plateau(losses, settings.plateau)


def is_plateau(losses: Sequence[float], rule: PlateauConfig) -> bool:
    """Whether a stage's training losses, one per epoch, no longer fall by the rule."""
    rises = [after > before for before, after in pairwise(losses)]
    return (
        len(losses) > rule.epochs and abs(losses[-1] - losses[-1 - rule.epochs]) <= rule.change
    ) or (len(rises) >= rule.rises and all(rises[-rule.rises :]))


def channels_last(model: nn.Module) -> None:
    """Lay convolution weights out as (O, H, W, I): faster on CUDA, and on CPUs in float32.

    In bfloat16, CPUs reorder them anyway, and are some 4 % slower from this layout.
    """
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
