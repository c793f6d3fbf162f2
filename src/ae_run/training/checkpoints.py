"""Checkpoints: the best weights, and the state to resume from.

`model.safetensors` holds the best weights. `resume.pt` holds the state after the last finished
epoch; it is written last and so decides which epochs are finished. Generator states are not
saved, since every epoch seeds its generators again (see `ae_run.randomness`).
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import safetensors.torch
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from ae_run import faults
from ae_run.atomic import write_bytes
from ae_run.errors import UserError
from ae_run.run_folder import RESUME, WEIGHTS, RunFolder

_LONGEST = 200  # characters of a reason


@dataclass
class Progress:
    """The progress of training."""

    epoch: int = 0
    """Finished epochs, over all stages."""
    stage: int = 0
    """Index of the current stage."""
    stage_epoch: int = 0
    """Finished epochs of the current stage."""
    best_score: float | None = None
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def save_weights(folder: RunFolder, model: nn.Module) -> None:
    """Save the model's weights as the best ones."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    write_bytes(folder.file(WEIGHTS), safetensors.torch.save(tensors))


def load_weights(folder: RunFolder, model: nn.Module) -> None:
    """Load the best weights.

    Raises:
        UserError: the file is missing, corrupt, or of another model.
    """
    path = folder.file(WEIGHTS)
    try:
        load_state(model, safetensors.torch.load(path.read_bytes()))
    except FileNotFoundError:
        raise UserError(
            f"{path}: missing; no epoch is finished. Train first: ae-run resume={folder.path}"
        ) from None
    except Exception as error:
        raise UserError(f"{path}: not this model's weights: {error}") from None


def load_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load weights into a model of any dtype on any device."""
    model.load_state_dict(dict(state))


def save_resume(
    folder: RunFolder, progress: Progress, model: nn.Module, optimizer_state: dict[str, Any]
) -> None:
    """Save the state after a finished epoch, atomically."""
    buffer = io.BytesIO()
    state = {"model": model.state_dict(), "optimizer": optimizer_state}
    torch.save({"progress": asdict(progress), **state}, buffer)
    write_bytes(folder.file(RESUME), buffer.getvalue())


def load_resume(folder: RunFolder) -> tuple[Progress, dict[str, Any]]:
    """The state after the last finished epoch; a new one if there is none.

    Raises:
        UserError: the file is corrupt or truncated, or something else.
    """
    path = folder.file(RESUME)
    if not path.is_file():
        return Progress(), {}
    with restoring(folder):
        # weights_only: plain tensors and types; nothing in the file is executed.
        # From memory: what fails then is the content, and not the disk.
        content = io.BytesIO(path.read_bytes())
        state = torch.load(content, map_location="cpu", weights_only=True)
        progress = TypeAdapter(Progress).validate_python(state.pop("progress"))
        _check(progress)
        return progress, {name: dict(state[name]) for name in ("model", "optimizer")}


@contextmanager
def restoring(folder: RunFolder) -> Iterator[None]:
    """Explain what goes wrong with a part of `resume.pt`.

    Raises:
        UserError: something did.
    """
    try:
        yield
    except Exception as error:
        if faults.of(error) is not None:
            raise
        reason = " ".join(str(error).split())[:_LONGEST]
        raise UserError(
            f"{folder.file(RESUME)}: corrupt or truncated ({type(error).__name__}: {reason}); it "
            "holds the last finished epoch. Delete it to train from the start"
        ) from None


def _check(progress: Progress) -> None:
    """Refuse numbers that contradict each other."""
    rows = progress.history
    if len(rows) != progress.epoch or not 0 <= progress.best_epoch <= progress.epoch:
        raise ValueError(f"epoch {progress.epoch} with a history of {len(rows)} epochs")
    if not (0 <= progress.stage_epoch <= progress.epoch and progress.stage >= 0):
        raise ValueError(f"epoch {progress.stage_epoch} of stage {progress.stage}")
    for row in rows:
        numbers = {key: value for key, value in row.items() if key != "stage"}
        if not all(isinstance(value, int | float) for value in numbers.values()):
            raise ValueError("a value in the history is no number")
        if not {"epoch", "stage", "train_seconds", "train_total"} <= {*row}:
            raise ValueError("a row of the history lacks values")
