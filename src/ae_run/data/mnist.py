"""MNIST: 60,000 + 10,000 handwritten digits of 28×28, official test set.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE, 1998.
"""

from ae_run.config import DownloadConfig
from ae_run.data import Source, _torchvision

CLASS_NAMES = tuple(str(digit) for digit in range(10))


class Config(DownloadConfig):
    """Options of `data=mnist`; its files lie in `<root>/MNIST/raw/`."""


def load(config: DownloadConfig) -> Source:
    """Images `(60000, 1, 28, 28)` for train and validation, `(10000, 1, 28, 28)` for test.

    Raises:
        UserError: files are missing or not the published ones.
    """
    return _torchvision.load("MNIST", config, CLASS_NAMES)
