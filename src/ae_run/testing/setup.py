"""What the contract tests of all kinds of components share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ae_run import arguments, components, composition, process_state
from ae_run.config import Config, validate

Shape = tuple[int, int, int]
SHAPES: tuple[Shape, ...] = ((1, 28, 28), (3, 28, 28), (1, 8, 8), (1, 20, 23))
"""(C, H, W) of the images that models and corruptions are tried on."""


class Broken(AssertionError):
    """A component does not keep its contract."""


@contextmanager
def configured(*overrides: str) -> Iterator[Config]:
    """The config of a command line, with its `code=…` in use; the process is left as it was."""
    words, code = arguments.own_code(overrides)
    with process_state.kept(), components.using(code):
        yield validate(composition.compose(*arguments.normalize(words, ())))


def check_each(
    checks: Sequence[Callable[[Any, Shape], None]], options: Any, shapes: Sequence[Shape]
) -> None:
    """Run the checks of a component with its options on images of each shape.

    Raises:
        Broken: by a check, with the component's name and the shape in front.
    """
    for shape in shapes:
        for check in checks:
            try:
                check(options, shape)
            except Broken as error:
                size = " × ".join(map(str, shape))
                raise Broken(f"{options.name}, images of {size}: {error}") from None


def require(kept: bool, what: str) -> None:
    """Raise `Broken` with what is wrong."""
    if not kept:
        raise Broken(what)
