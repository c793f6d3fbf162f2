"""Training: `run` starts a run, `loop` trains it; the other modules are parts of the loop."""

from ae_run.training.loop import fit
from ae_run.training.run import Run

__all__ = ["Run", "fit"]
