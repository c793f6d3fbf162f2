"""`python -m ae_run` is `ae-run`."""

from ae_run.cli import entry_point

entry_point()
