"""scikit-learn's bundled handwritten digits (1,797 images of 8×8), upsampled; no network.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
"""

from typing import Annotated

import numpy as np
from pydantic import Field

from ae_run.data import Images, Source, _splits
from ae_run.schema import DataConfig

# The test set is fixed, as an official one would be: no run's seed changes it.
_TEST_FRACTION, _TEST_SEED = 0.2, 0


class Config(DataConfig):
    """Options of `data=digits`."""

    size: Annotated[int, Field(ge=8, le=256)]


def load(config: Config) -> Source:
    """1,438 images for train and validation, 359 for test: uint8 `(N, 1, size, size)`."""
    from sklearn.datasets import load_digits

    bundle = load_digits()
    small = np.rint(bundle.images * (255 / 16)).astype(np.uint8)  # from 0 … 16
    images = np.stack([_resize(image, config.size) for image in small])[:, None]
    labels = bundle.target.astype(np.int64)
    rest, test = _splits.hold_out(Images(images), labels, _TEST_FRACTION, _TEST_SEED)
    names = tuple(str(digit) for digit in range(10))
    return Source(rest.images, rest.labels, test.images, test.labels, names)


def _resize(image: np.ndarray, size: int) -> np.ndarray:
    from PIL import Image

    # Bilinear: wider kernels overshoot at these blocky edges, and ring or clip.
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
