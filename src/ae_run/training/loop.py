"""The training loop.

Read it from top to bottom: `fit` loops over stages and epochs, `train_epoch` over steps, and
`Step`, in its own file, is one step. There are no hooks and no callbacks: `fit` yields after each
epoch, and a caller that wants to stop early, such as a pruning search, stops iterating.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ae_run import devices
from ae_run.config import TrainConfig
from ae_run.models import Stage
from ae_run.randomness import derive_seed
from ae_run.training import checkpoints, optimizers, precision
from ae_run.training.checkpoints import Progress
from ae_run.training.cuda_graph import AnyStep, GraphStep
from ae_run.training.interrupts import StopRequest, stop_requests
from ae_run.training.length import known_epochs
from ae_run.training.losses import StepLosses, check_finite
from ae_run.training.progress_bar import ProgressBar
from ae_run.training.run import Run
from ae_run.training.snapshots import Snapshots
from ae_run.training.step import Binarizer, Corruptor, Step, TrainingImages, batches, names, summed
from ae_run.training.stopping import why_early
from ae_run.training.validation import Validator

Row = dict[str, Any]
"""A row of the history."""


def fit(run: Run) -> Iterator[Row]:
    """Train; after each saved epoch, yield its row of the history.

    Resumes after the last finished epoch in the run folder; on a CPU the result is bit-for-bit
    identical to an uninterrupted run.

    Raises:
        RunFailed: a loss or validation score was not finite.
        Interrupted: the user or the system asked to stop.
    """
    with stop_requests() as stop, closing(Training(run)) as training:
        for stage in training.remaining_stages():
            step = training.build_step(stage)
            while training.wants_more(stage):
                started = time.perf_counter()
                if stage.solve is not None:
                    losses = training.solve(stage)
                else:
                    losses = train_epoch(training, step, stop)
                yield training.finish_epoch(stage, step, losses, started)
                stop.check(f"after epoch {training.progress.epoch}")


class Training:
    """The state of a run in training, shared by its epochs."""

    def __init__(self, run: Run) -> None:
        """Restore the run's saved state, and move model and images to its device."""
        if run.device.type == "cpu":
            devices.keep_freed_memory()
        dtype = precision.dtype(run.precision)
        run.model.to(run.device, dtype)
        if run.precision != "bfloat16" or run.device.type != "cpu":
            channels_last(run.model)
        self.run = run
        self.model: nn.Module = run.model
        self.settings = run.config.train
        self.images = TrainingImages(run.dataset, run.device, dtype)
        run.folder.update_json("run.json", images=self.images.where)
        self.progress, self._saved = checkpoints.load_resume(run.folder)
        self.epochs = 0
        """Epochs of the current stage."""
        self.bar: ProgressBar | None = None
        self._validator = Validator(run.config, run.dataset.validation, run.device, dtype)
        self._snapshots = Snapshots(run.config, run.dataset, run.folder, run.device, dtype)

    def remaining_stages(self) -> Iterator[Stage]:
        """The unfinished stages; each is set up, with its own progress bar, when yielded."""
        progress = self.progress
        stages = self.run.model.stages()
        with checkpoints.restoring(self.run.folder):
            stages[progress.stage]
        for index, stage in enumerate(stages):
            if index < progress.stage:
                continue
            if index > progress.stage:
                progress.stage, progress.stage_epoch, progress.best_score = index, 0, None
            stage.begin()
            self.epochs = (
                1 if stage.solve is not None else stage.epochs or known_epochs(self.settings)
            )
            images, done = len(self.images), progress.stage_epoch
            self.bar = ProgressBar(self.run.folder, stage.name, images, done, self.epochs)
            yield stage
            self.bar.close()
            if (reason := self.why_early()) is not None:
                self.run.folder.say(reason)

    def close(self) -> None:
        """Close the progress bar, and let go of the images and of freed memory."""
        if self.bar is not None:
            self.bar.close()
        self.images.release()
        devices.return_freed_memory()

    def build_step(self, stage: Stage) -> AnyStep:
        """The step of a stage; a resumed stage gets its saved optimizer state."""
        run = self.run
        optimizer = optimizers.build(self.settings, stage.parameters, run.device)
        if self._saved:
            with checkpoints.restoring(run.folder):
                checkpoints.load_state(run.model, self._saved["model"])
                optimizers.load_state(optimizer, self._saved["optimizer"])
            self._saved = {}
        step = Step(run.config, run.precision, stage, optimizer, self.images)
        return on_graph(run, step, self.images)

    def wants_more(self, stage: Stage) -> bool:
        """Whether the stage has epochs left, patience, and a loss that still falls."""
        if self.progress.stage_epoch >= self.epochs:
            return False
        return stage.solve is not None or self.why_early() is None

    def why_early(self) -> str | None:
        """Why the stage under way ends before its last epoch; None where it does not."""
        return why_early(self.settings, self.progress, self.epochs)

    @torch.no_grad()
    def solve(self, stage: Stage) -> StepLosses:
        """Fit a stage in closed form; return the losses after the fit."""
        assert stage.solve is not None
        config, epoch = self.run.config, self.progress.epoch + 1
        corrupt, binarize = Corruptor(config.corruption, self.images), Binarizer(self.images)
        order = batches(config.seed, epoch, self.images, config.train.batch_size)

        def pairs() -> Iterator[tuple[Tensor, Tensor]]:
            corrupt.generator.manual_seed(derive_seed(config.seed, "noise", epoch))
            self.images.announce(order)
            binarize.start_epoch(config.seed, epoch)
            for index in order:
                target = binarize(self.images.take(index))
                yield corrupt(target, index), target

        self.model.eval()
        stage.solve(pairs, self._validator.pairs)
        losses = StepLosses(len(order))
        for i, (x_in, target) in enumerate(pairs()):
            terms = stage.loss(x_in, target)
            losses.add(i, summed(terms))
        losses.names = names(terms)
        return losses

    def finish_epoch(self, stage: Stage, step: AnyStep, losses: StepLosses, started: float) -> Row:
        """Score the validation images and save the epoch, whose training began at `started`."""
        run, progress, epoch = self.run, self.progress, self.progress.epoch + 1
        # The only point where the host waits for the device.
        means = losses.means(len(self.images), epoch)
        trained = time.perf_counter()
        scores = self._validator.scores(run.model)
        check_finite(scores, epoch)
        seconds = trained - started, time.perf_counter() - trained
        row = history_row(progress, stage, step, means, scores, seconds)
        if self._snapshots.due(epoch):
            self._snapshots.take(run.model, epoch)
        save_epoch(run, progress, row, step.optimizer.state_dict())
        if self.bar is not None:
            self.bar.epoch(row, f"validation_{run.monitor}")
        return row


class Epochs(Protocol):
    """The part of a training's state that `train_epoch` uses."""

    model: nn.Module
    settings: TrainConfig
    progress: Progress
    epochs: int
    bar: ProgressBar | None


def train_epoch(training: Epochs, step: AnyStep, stop: StopRequest) -> StepLosses:
    """One pass over the training images."""
    progress, settings = training.progress, training.settings
    epoch = progress.epoch + 1
    order = step.start_epoch(epoch)
    done, steps = progress.stage_epoch * len(order), training.epochs * len(order)
    losses = StepLosses(len(order))
    training.model.train()
    for i, index in enumerate(order):
        lr = optimizers.learning_rate(settings, done + i, steps)
        optimizers.set_learning_rate(step.optimizer, lr)
        losses.add(i, step(index))
        if training.bar is not None:
            training.bar.step(index.numel())
        stop.check(f"in epoch {epoch}")
    losses.names = step.names
    return losses


def on_graph(run: Run, step: AnyStep, images: TrainingImages) -> AnyStep:
    """The step, as a CUDA graph if its images are on CUDA and its optimizer can be captured."""
    capturable = run.config.train.optimizer in optimizers.CAPTURABLE
    if run.device.type != "cuda" or images.streamed or not capturable:
        return step
    return GraphStep(step, run.config.train.batch_size, run.folder.say)


def history_row(
    progress: Progress,
    stage: Stage,
    step: AnyStep,
    losses: Mapping[str, float],
    scores: Mapping[str, float],
    seconds: tuple[float, float],
) -> Row:
    """A row of the history; `seconds` are of training and of validation."""
    return {
        "epoch": progress.epoch + 1,
        "stage": stage.name,
        "lr": float(step.optimizer.param_groups[0]["lr"]),
        **{f"train_{name}": value for name, value in losses.items()},
        **{f"validation_{name}": value for name, value in scores.items()},
        "train_seconds": round(seconds[0], 6),
        "validation_seconds": round(seconds[1], 6),
    }


def save_epoch(run: Run, progress: Progress, row: Row, optimizer_state: dict[str, Any]) -> None:
    """Save the weights if they are the best, then the state to resume from."""
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


def channels_last(model: nn.Module) -> None:
    """Lay out convolution weights as (O, H, W, I): faster on CUDA, and on CPUs in float32.

    In bfloat16, CPUs reorder them anyway and are about 4 % slower with this layout.
    """
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
