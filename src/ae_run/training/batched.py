"""Several seeds trained as one batched model: one step for all of them.

Weights are stacked along a new first dimension and the loss is mapped over it with
`torch.func.vmap` (PyTorch's tutorial "Model ensembling"). Optimizers update each weight
independently, so one optimizer over the stacks acts like R of them. All randomness (order,
corruption, dropout, latent samples) comes from each replica's own generators, outside of `vmap`:
a replica learns what its seed learns in a run of its own, up to rounding. Each has its own run
folder, in which it can also be resumed separately.

Legend: R replicas.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import torch
from torch import Tensor, nn

from ae_run.models import Autoencoder, replica_draws
from ae_run.randomness import derive_seed
from ae_run.training import checkpoints, optimizers, precision
from ae_run.training.interrupts import stop_requests
from ae_run.training.length import known_epochs
from ae_run.training.loop import (
    Row,
    fit,
    history_row,
    on_graph,
    save_epoch,
    train_epoch,
)
from ae_run.training.losses import StepLosses, check_finite
from ae_run.training.progress_bar import ProgressBar
from ae_run.training.run import Run
from ae_run.training.step import Binarizer, Corruptor, TrainingImages, batches, names, summed
from ae_run.training.validation import Validator


def why_not(run: Run) -> str | None:
    """Why a run cannot be batched with other seeds, or None if it can."""
    settings = run.config.train
    if not run.model.batchable:
        return f"model {run.config.model.name} has several stages, or gradients in its loss"
    if settings.patience is not None or settings.plateau is not None:
        return "train.patience and train.plateau stop each seed at its own epoch"
    if settings.snapshot_every is not None:
        return "train.snapshot_every needs a single model"
    return None


def fit_batched(runs: Sequence[Run]) -> Iterator[list[Row]]:
    """Train runs that differ only in their seeds; yield their history rows after each saved epoch.

    Raises:
        RunFailed: a loss or validation score of a run was not finite.
        Interrupted: the user or the system asked to stop.
    """
    _catch_up(runs)
    with stop_requests() as stop, closing(BatchedTraining(runs)) as training:
        while training.progress.stage_epoch < training.epochs:
            started = time.perf_counter()
            losses = train_epoch(training, training.step, stop)
            yield training.finish_epoch(losses, started)
            stop.check(f"after epoch {training.progress.epoch}")


class BatchedTraining:
    """`Training` for R runs of one stage, whose folders are all at the same epoch."""

    def __init__(self, runs: Sequence[Run]) -> None:
        """Restore the runs' saved states, and move models and images to their device."""
        first = runs[0]
        dtype = precision.dtype(first.precision)
        saved = [checkpoints.load_resume(run.folder) for run in runs]
        for run, (_, state) in zip(runs, saved, strict=True):
            run.model.to(run.device, dtype)
            if state:
                with checkpoints.restoring(run.folder):
                    checkpoints.load_state(run.model, state["model"])
        (self._stage,) = first.model.stages()
        self.runs, self.settings = runs, first.config.train
        self.model: nn.Module = first.model
        self.images = TrainingImages(first.dataset, first.device, dtype)
        for run in runs:
            run.folder.update_json("run.json", images=self.images.where)
        self._progresses = [progress for progress, _ in saved]
        self.progress = self._progresses[0]
        self.epochs = known_epochs(self.settings)
        self._validators = [
            Validator(r.config, r.dataset.validation, r.device, dtype) for r in runs
        ]
        self._batched = BatchedStep(runs, self.images)
        if saved[0][1]:
            self._batched.load_optimizers([state["optimizer"] for _, state in saved])
        self.step = on_graph(first, self._batched, self.images)
        count, done = len(self.images) * len(runs), self.progress.stage_epoch
        self.bar: ProgressBar | None = ProgressBar(
            first.folder, f"{len(runs)} seeds", count, done, self.epochs
        )

    def close(self) -> None:
        """Close the progress bar, and let go of the images."""
        if self.bar is not None:
            self.bar.close()
        self.images.release()

    def finish_epoch(self, losses: StepLosses, started: float) -> list[Row]:
        """Score each run on the validation images and save its epoch; see `Training`."""
        means = losses.means_of_each(len(self.images), self.progress.epoch + 1)
        self._batched.unstack()
        trained = (time.perf_counter() - started) / len(self.runs)
        rows = []
        for i, (run, progress) in enumerate(zip(self.runs, self._progresses, strict=True)):
            started = time.perf_counter()
            scores = self._validators[i].scores(run.model)
            check_finite(scores, progress.epoch + 1)
            seconds = trained, time.perf_counter() - started
            row = history_row(progress, self._stage, self.step, means[i], scores, seconds)
            save_epoch(run, progress, row, self._batched.optimizer_state(i))
            rows.append(row)
        if self.bar is not None:
            self.bar.epoch(rows[0], f"validation_{self.runs[0].monitor}")
        return rows


def _catch_up(runs: Sequence[Run]) -> None:
    """Bring all runs to the same epoch: a kill may have come after saving only some of them."""
    done = [checkpoints.load_resume(run.folder)[0].epoch for run in runs]
    for run, epoch in zip(runs, done, strict=True):
        if epoch < max(done):
            with closing(fit(run)) as loop:  # type: ignore[type-var]
                for row in loop:
                    if row["epoch"] == max(done):
                        break


class _Loss(nn.Module):
    """A model whose output is its loss, for `functional_call`."""

    def __init__(self, model: Autoencoder) -> None:
        super().__init__()
        self.model = model
        self.names: list[str] = []

    def forward(self, x_in: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Input and target (B, C, H, W) → mean total, and the sum of each term (terms + 1,)."""
        losses = self.model.loss(x_in, target)
        self.names = names(losses)
        return losses.total.mean(), summed(losses)


class BatchedStep:
    """`Step` for R replicas: positions (R, B) → loss sums (R, terms + 1)."""

    def __init__(self, runs: Sequence[Run], images: TrainingImages) -> None:
        first = runs[0]
        self._runs, self._images = runs, images
        self._bfloat16 = first.precision == "bfloat16"
        self._loss = _Loss(first.model)
        # Each replica has its generators: of binary images, of the noise, of the model's own draws.
        self._binarize = [Binarizer(images) for _ in runs]
        self._corrupt = [Corruptor(first.config.corruption, images) for _ in runs]
        self._draws = [torch.Generator(first.device) for _ in runs]
        for run in runs:
            run.model.train()
        wrapped: list[nn.Module] = [_Loss(run.model) for run in runs]
        self._weights, self._buffers = torch.func.stack_module_state(wrapped)
        self.optimizer = optimizers.build(first.config.train, self._weights.values(), first.device)
        # vmap maps over arguments, and `functional_call` takes the stacked weights as such.
        self._mapped = torch.func.vmap(self._one)

    @property
    def names(self) -> list[str]:
        """See `Step`."""
        return self._loss.names

    @property
    def generators(self) -> list[torch.Generator]:
        """See `Step`."""
        drawn = (binarize.generator for binarize in self._binarize)
        return [*drawn, *(corrupt.generator for corrupt in self._corrupt), *self._draws]

    def start_epoch(self, epoch: int) -> list[Tensor]:
        """See `Step`."""
        orders = []
        parts = zip(self._runs, self._binarize, self._corrupt, self._draws, strict=True)
        for run, binarize, corrupt, draws in parts:
            seed, size = run.config.seed, run.config.train.batch_size
            binarize.start_epoch(seed, epoch)
            corrupt.generator.manual_seed(derive_seed(seed, "noise", epoch))
            draws.manual_seed(derive_seed(seed, "step", epoch))
            orders.append(batches(seed, epoch, self._images, size))
        order = [torch.stack(parts) for parts in zip(*orders, strict=True)]
        self._images.announce(order)
        return order

    def __call__(self, index: Tensor) -> Tensor:
        """See `Step`."""
        target = self._images.take(index)  # (R, B, C, H, W)
        if self._images.are_drawn:
            parts = zip(self._binarize, target, strict=True)
            target = torch.stack([binarize(part) for binarize, part in parts])
        noisy = [
            corrupt(part, positions)
            for corrupt, part, positions in zip(self._corrupt, target, index, strict=True)
        ]
        x_in = torch.stack(noisy)
        with (
            torch.autocast(target.device.type, torch.bfloat16, enabled=self._bfloat16),
            replica_draws(self._draws),
        ):
            total, sums = self._mapped(self._weights, self._buffers, x_in, target)
        total.sum().backward()  # type: ignore[no-untyped-call]
        self._clip()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return sums

    def _one(
        self,
        weights: dict[str, Tensor],
        buffers: dict[str, Tensor],
        x_in: Tensor,
        target: Tensor,
    ) -> tuple[Tensor, Tensor]:
        result: tuple[Tensor, Tensor] = torch.func.functional_call(
            self._loss, (weights, buffers), (x_in, target)
        )
        return result

    def _clip(self) -> None:
        """Clip each replica's gradient norm, as `clip_grad_norm_` does for one model."""
        largest = self._runs[0].config.train.clip_norm
        grads = [w.grad for w in self._weights.values() if w.grad is not None]
        if largest is None:
            return
        norms = torch.stack([g.flatten(1).square().sum(1) for g in grads]).sum(0).sqrt()  # (R,)
        factors = (largest / (norms + 1e-6)).clamp(max=1)
        for grad in grads:
            grad.mul_(factors.view(-1, *[1] * (grad.dim() - 1)))

    @torch.no_grad()
    def unstack(self) -> None:
        """Copy the weights into the runs' own models."""
        for i, run in enumerate(self._runs):
            own = {f"model.{name}": t for name, t in run.model.state_dict(keep_vars=True).items()}
            for name, stacked in (self._weights | self._buffers).items():
                own[name].copy_(stacked[i])

    def optimizer_state(self, i: int) -> dict[str, Any]:
        """The optimizer state of one replica."""
        whole = self.optimizer.state_dict()
        state = {
            key: {name: t[i].clone() if t.dim() else t for name, t in values.items()}
            for key, values in whole["state"].items()
        }
        return {"state": state, "param_groups": whole["param_groups"]}

    def load_optimizers(self, saved: Sequence[dict[str, Any]]) -> None:
        """Stack the optimizer states of the replicas and load them."""
        states = [one["state"] for one in saved]
        state = {
            key: {
                name: torch.stack([s[key][name] for s in states]) if t.dim() else t
                for name, t in values.items()
            }
            for key, values in states[0].items()
        }
        optimizers.load_state(self.optimizer, {"state": state})
