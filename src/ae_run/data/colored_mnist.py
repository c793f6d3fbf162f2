"""MNIST in colour, RGB: a random colour per digit (as in the report `colored`) or per image."""

from ae_run.data import Source, _colored, mnist
from ae_run.schema import DownloadConfig


class Config(DownloadConfig, _colored.ColourConfig):
    """Options of `data=colored_mnist`; the files are those of `data=mnist`."""


def load(config: Config) -> Source:
    """Images `(60000, 3, 28, 28)` for train and validation, `(10000, 3, 28, 28)` for test.

    Raises:
        UserError: see `mnist.load` and `_colored.colour`.
    """
    return _colored.colour(mnist.load(config), config)
