"""scikit-learn's digits in colour, RGB: like `colored_mnist`, but built in."""

from ae_run.data import Source, _colored, digits


class Config(digits.Config, _colored.ColourConfig):
    """Options of `data=colored_digits`."""


def load(config: Config) -> Source:
    """1,438 images for train and validation, 359 for test: uint8 `(N, 3, size, size)`.

    Raises:
        UserError: see `_colored.colour`.
    """
    return _colored.colour(digits.load(config), config)
