"""`task=search`: many trials, each a run, to find the values with the best validation score.

`task` is what the command runs. It checks the `plan`, fills the `study`, a queue of trials in a
`storage`, and lets `workers` run each `trial` until none waits; `result`, `figures`, `page` and
`refit` follow. No other task imports any of this.

Calling the package searches: `ae_run.search(…)` is a function of `ae_run.api`, and has its name.
"""

import pkgutil
import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        """See `ae_run.api.search`."""
        return pkgutil.resolve_name("ae_run.api:search")(*args, **options)


sys.modules[__name__].__class__ = _Callable
