"""Kuzushiji-MNIST: 60,000 + 10,000 cursive Japanese characters of 28×28, official test set.

T. Clanuwat et al., "Deep learning for classical Japanese literature", 2018, arXiv:1812.01718.
"""

from ae_run.data import Source, _torchvision
from ae_run.schema import DownloadConfig

CLASS_NAMES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")


class Config(DownloadConfig):
    """Options of `data=kmnist`; its files lie in `<root>/KMNIST/raw/`."""


def load(config: DownloadConfig) -> Source:
    """Images `(60000, 1, 28, 28)` for train and validation, `(10000, 1, 28, 28)` for test.

    Raises:
        UserError: files are missing or not the published ones.
    """
    return _torchvision.load("KMNIST", config, CLASS_NAMES)
