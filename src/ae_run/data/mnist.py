"""MNIST: 60,000 + 10,000 handwritten digits of 28×28, official test set.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE, 1998.
"""

from ae_run.data import Source, _torchvision
from ae_run.schema import DownloadConfig

CLASS_NAMES = tuple(str(digit) for digit in range(10))

_HASHES = {
    "train-images-idx3-ubyte.gz": (
        "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}


class Config(DownloadConfig):
    """Options of `data=mnist`; its files lie in `<root>/MNIST/raw/`."""


def load(config: DownloadConfig) -> Source:
    """Images `(60000, 1, 28, 28)` for train and validation, `(10000, 1, 28, 28)` for test.

    Raises:
        UserError: files are missing or not the published ones.
    """
    return _torchvision.load("MNIST", config, CLASS_NAMES, _HASHES)
