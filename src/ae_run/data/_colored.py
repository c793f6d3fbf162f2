"""Colour grey images: a random RGB colour per class or image, at a given brightness."""

from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from ae_run.data import Images, Source
from ae_run.errors import UserError
from ae_run.schema import DataConfig, Fraction

_ROWS = 4096  # images coloured at a time: floats of all would fill the memory
_Colour = Annotated[tuple[Fraction, Fraction, Fraction], Field(strict=False)]


class ColourConfig(DataConfig):
    """Options of coloured data sets."""

    by: Literal["class", "image"]
    palette: Annotated[tuple[_Colour, ...], Field(strict=False, min_length=1)] | None
    palette_seed: Annotated[int, Field(ge=0, lt=2**32)]
    jitter: Fraction
    mean_square: Annotated[float, Field(gt=0, lt=1)] | None


def colour(source: Source, config: ColourConfig) -> Source:
    """Colour grey images `(N, 1, H, W)`: uint8 `(N, 3, H, W)`.

    One factor scales all colours so that the mean square of the clean test images, on [0, 1] and
    over all three channels, is `config.mean_square`: scores in MSE or dB depend on it.

    Raises:
        UserError: the palette does not match the classes, or is too dark for that brightness.
    """
    # Frozen forever, see `_splits.stratified_order`. All draws come from one stream in a fixed
    # order, test first: neither `limit` nor the split seed changes a colour.
    random = np.random.RandomState(config.palette_seed)
    palette = _palette(random, len(source.class_names), config)
    test_colours = _colours(random, source.test_labels, palette, config)
    colours = _colours(random, source.labels, palette, config)
    if config.mean_square is not None:
        scale = _scale(source.test_images, test_colours, config.mean_square)
        test_colours, colours = _scaled(test_colours, scale), _scaled(colours, scale)
    return Source(
        images=_paint(source.images, colours),
        labels=source.labels,
        test_images=_paint(source.test_images, test_colours),
        test_labels=source.test_labels,
        class_names=source.class_names,
        skipped=source.skipped,
    )


def _palette(random: np.random.RandomState, classes: int, config: ColourConfig) -> np.ndarray:
    """The colours to choose from, `(K, 3)` in [0, 1]."""
    if config.palette is None:
        return random.random_sample((classes, 3))
    if config.by == "class" and len(config.palette) != classes:
        raise UserError(
            f"data.palette: has {len(config.palette)} colours; must be one for each of the "
            f"{classes} classes with data.by=class"
        )
    return np.array(config.palette)


def _colours(
    random: np.random.RandomState, labels: np.ndarray, palette: np.ndarray, config: ColourConfig
) -> np.ndarray:
    """A colour for each image, `(N, 3)` in [0, 1]."""
    if config.by == "class":
        colours = palette[labels]
    elif config.palette is None:
        colours = random.random_sample((len(labels), 3))
    else:
        colours = palette[random.randint(len(palette), size=len(labels))]
    if config.jitter > 0:
        colours = colours + config.jitter * random.uniform(-1, 1, colours.shape)
    return _scaled(colours, 1.0)


def _scaled(colours: np.ndarray, scale: float) -> np.ndarray:
    scaled: np.ndarray = np.clip(colours * scale, 0, 1)
    return scaled


def _scale(images: Images, colours: np.ndarray, wanted: float) -> float:
    """The factor for the colours at which the images have the mean square `wanted`.

    Found by bisection, since colours saturate at 1.
    """
    blocks = images.blocks()
    squares = np.array([np.square(image / 255.0).mean() for block in blocks for image in block])

    def mean_square(scale: float) -> float:
        return float((squares[:, None] * np.square(_scaled(colours, scale))).mean())

    high = 1.0 / max(float(colours[colours > 0].min(initial=1.0)), 1e-6)  # all saturated
    if mean_square(high) < wanted:
        raise UserError(
            f"data.mean_square={wanted:g}: too bright for these images and colours; must be "
            f"at most {mean_square(high):.4f}, or null for unscaled colours"
        )
    return _bisect(mean_square, wanted, high)


def _bisect(increasing: Callable[[float], float], wanted: float, high: float) -> float:
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if increasing(middle) < wanted else (low, middle)
    return high


def _paint(images: Images, colours: np.ndarray) -> Images:
    """Grey uint8 `(N, 1, H, W)` times colours `(N, 3)`: uint8 `(N, 3, H, W)`."""
    painted = np.empty((len(images), 3, *images.shape[2:]), np.uint8)
    factors = colours.astype(np.float32)[:, :, None, None]
    for i in range(0, len(images), _ROWS):
        rows = slice(i, i + _ROWS)
        painted[rows] = np.rint(images[rows] * factors[rows])
    return Images(painted)
