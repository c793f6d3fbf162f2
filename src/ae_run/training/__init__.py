"""Training: the loop in `loop`, what it works on in `run`, and what it calls."""

from ae_run.training.loop import fit
from ae_run.training.run import Run

__all__ = ["Run", "fit"]
