"""Training: the loop in `loop`, and what it calls."""

from ae_run.training.loop import Fit, check_monitor, fit

__all__ = ["Fit", "check_monitor", "fit"]
