"""Checkpoints: the best weights, and the state to resume from.

`model.safetensors` holds the best weights. `resume.pt` holds the state after the last finished
epoch; it is written last and so decides which epochs are finished. Generator states are not
saved, since every epoch seeds its generators again (see `ae_run.randomness`).
"""

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from ae_run.errors import UserError
from ae_run.run_folder import RunFolder, write_bytes

WEIGHTS, RESUME = "model.safetensors", "resume.pt"


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
        UserError: the file is corrupt or truncated.
    """
    path = folder.file(RESUME)
    if not path.is_file():
        return Progress(), {}
    try:
        # weights_only: plain tensors and types; nothing in the file is executed.
        state = torch.load(path, map_location="cpu", weights_only=True)
        return Progress(**state.pop("progress")), state
    except Exception as error:
        raise UserError(
            f"{path}: corrupt or truncated ({type(error).__name__}); it holds the last finished "
            "epoch. Delete it to train from the start"
        ) from None
