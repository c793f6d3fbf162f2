"""What is saved while training: the best weights, and all that going on needs.

`model.safetensors` holds the best weights. `resume.pt` holds the state after the last finished
epoch and is written last, so it is what decides which epochs are finished. Random numbers need
no saving: every epoch seeds its generators anew (see `ae_run.randomness`).
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
    """How far training has come."""

    epoch: int = 0
    """Finished epochs, over all stages."""
    stage: int = 0
    """Index of the stage that is under way."""
    stage_epoch: int = 0
    """Finished epochs of that stage."""
    best_score: float | None = None
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


def save_weights(folder: RunFolder, model: nn.Module) -> None:
    """Write the model's weights as the best ones."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    write_bytes(folder.file(WEIGHTS), safetensors.torch.save(tensors))


def load_weights(folder: RunFolder, model: nn.Module) -> None:
    """Load the best weights.

    Raises:
        UserError: the file is missing, torn, or of another model.
    """
    path = folder.file(WEIGHTS)
    try:
        load_state(model, safetensors.torch.load(path.read_bytes()))
    except FileNotFoundError:
        raise UserError(
            f"{path}: missing; no epoch was finished. Train first: ae-run resume={folder.path}"
        ) from None
    except Exception as error:
        raise UserError(f"{path}: not this model's weights: {error}") from None


def load_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load weights into a model, whatever its type and device."""
    model.load_state_dict(dict(state))


def save_resume(
    folder: RunFolder, progress: Progress, model: nn.Module, optimizer_state: dict[str, Any]
) -> None:
    """Write the state after a finished epoch, in one step."""
    buffer = io.BytesIO()
    state = {"model": model.state_dict(), "optimizer": optimizer_state}
    torch.save({"progress": asdict(progress), **state}, buffer)
    write_bytes(folder.file(RESUME), buffer.getvalue())


def load_resume(folder: RunFolder) -> tuple[Progress, dict[str, Any]]:
    """The state after the last finished epoch; a fresh one where none was finished.

    Raises:
        UserError: the file is torn.
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
            f"{path}: not readable ({type(error).__name__}); it holds the last finished epoch. "
            "Delete it to train from the start"
        ) from None
