"""The contract of a data set."""

import numpy as np

from ae_run import components, data
from ae_run.data import Images, Source
from ae_run.testing.setup import configured, require


def check_data(*overrides: str) -> None:
    """Load a data set twice, look at what it gives, and split it.

    Args:
        overrides: of a command line: `"data=my_data"`, `"code=my_code"`, `"data.path=…"`.

    Raises:
        Broken: it does not keep the contract; says how.
        UserError: it cannot be configured, imported or loaded.
    """
    with configured(*overrides) as config:
        name = config.data.name
        source = components.module("data", name).load(config.data)
        require(
            isinstance(source, Source), f"{name}: load gives {type(source).__name__}, no Source"
        )
        sides = (
            ("images", source.images, source.labels),
            ("test_images", source.test_images, source.test_labels),
        )
        for side, images, labels in sides:
            _check_images(f"{name}: {side}", images, labels, len(source.class_names))
        same = source.images.shape[1:] == source.test_images.shape[1:]
        require(same, f"{name}: test images have another shape than the others")
        first, again = (data.load(config.data).fingerprint for _ in range(2))
        require(first == again, f"{name}: gives other images when it is loaded again")


def _check_images(where: str, images: Images, labels: np.ndarray, classes: int) -> None:
    kind = type(images).__name__
    require(isinstance(images, Images), f"{where}: are a {kind}; must be ae_run.data.Images")
    shape, found = images.shape, images[:1].dtype
    require(found == np.uint8, f"{where}: are {found}; must be uint8")
    fine = len(shape) == 4 and shape[1] in (1, 3) and len(images) > 0
    require(fine, f"{where}: are {shape}; must be (N, C, H, W) with C 1 or 3, N > 0")
    array = isinstance(labels, np.ndarray)
    require(array, f"{where}: labels are a {type(labels).__name__}; must be an array")
    one_each = labels.shape == (len(images),) and labels.dtype == np.int64
    require(one_each, f"{where}: must have one int64 label each, not {labels.dtype} {labels.shape}")
    known = bool(labels.min() >= 0 and labels.max() < classes)
    require(known, f"{where}: labels must be indices into class_names, 0 to {classes - 1}")
