"""Fashion-MNIST: 60,000 + 10,000 pictures of clothes of 28×28, official test set.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
learning algorithms", 2017, arXiv:1708.07747.
"""

from ae_run.data import Source, _torchvision
from ae_run.schema import DownloadConfig

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


class Config(DownloadConfig):
    """Options of `data=fashion_mnist`; its files lie in `<root>/FashionMNIST/raw/`."""


def load(config: DownloadConfig) -> Source:
    """Images `(60000, 1, 28, 28)` for train and validation, `(10000, 1, 28, 28)` for test.

    Raises:
        UserError: files are missing or not the published ones.
    """
    return _torchvision.load("FashionMNIST", config, CLASS_NAMES)
