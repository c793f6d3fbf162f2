"""What the contract tests of all kinds of components share."""

from collections.abc import Iterator
from contextlib import contextmanager

from ae_run import arguments, components, composition, process_state
from ae_run.config import Config, validate

SHAPES = ((1, 28, 28), (3, 28, 28), (1, 8, 8), (1, 20, 23))
"""(C, H, W) of the images that models and corruptions are tried on."""


class Broken(AssertionError):
    """A component does not keep its contract."""


@contextmanager
def configured(*overrides: str) -> Iterator[Config]:
    """The config of a command line, with its `code=…` in use; the process is left as it was."""
    words, code = arguments.own_code(overrides)
    with process_state.kept(), components.using(code):
        yield validate(composition.compose(*arguments.normalize(words, ())))


def require(kept: bool, what: str) -> None:
    """Raise `Broken` with what is wrong."""
    if not kept:
        raise Broken(what)
