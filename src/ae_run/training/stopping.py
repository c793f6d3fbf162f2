"""When a stage of training ends before its last epoch, and why."""

from collections.abc import Sequence
from itertools import pairwise

from ae_run.config import PlateauConfig, TrainConfig
from ae_run.training.checkpoints import Progress


def why_early(settings: TrainConfig, progress: Progress, epochs: int) -> str | None:
    """Why the stage under way ends before its `epochs`; None where it goes on, or is complete."""
    done = progress.stage_epoch
    if not 0 < done < epochs:
        return None
    since_best = progress.epoch - progress.best_epoch
    best = f"the best was epoch {progress.best_epoch}"
    if settings.patience is not None and since_best >= settings.patience:
        reason = f"no better validation score for {_epochs(since_best)} (train.patience)"
        return f"stopped early after {done} of {_epochs(epochs)}: {reason}; {best}"
    losses = [row["train_total"] for row in progress.history[-done:]]
    if settings.plateau is not None and is_plateau(losses, settings.plateau):
        reason = "the training loss no longer falls (train.plateau)"
        return f"stopped early after {done} of {_epochs(epochs)}: {reason}; {best}"
    return None


def is_plateau(losses: Sequence[float], rule: PlateauConfig) -> bool:
    """Whether a stage's training losses, one per epoch, no longer fall by the rule."""
    rises = [after > before for before, after in pairwise(losses)]
    flat = len(losses) > rule.epochs and abs(losses[-1] - losses[-1 - rule.epochs]) <= rule.change
    return flat or (len(rises) >= rule.rises and all(rises[-rule.rises :]))


def _epochs(count: int) -> str:
    return f"{count:,} epoch{'' if count == 1 else 's'}"
