"""Configs as a command line gives them."""

from functools import cache

from ae_run.composition import compose
from ae_run.config import Config, validate


@cache
def configured(*overrides: str) -> Config:
    """The validated config of these overrides; composed once per test process."""
    return validate(compose(*overrides))
