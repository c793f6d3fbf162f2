"""What data sources give, and what the rest of the program gets of them."""

from dataclasses import dataclass, field, replace

import numpy as np

from ae_run.data._mapped import Images


@dataclass(frozen=True)
class Source:
    """A data set before it is split: uint8 images `(N, C, H, W)` and int64 labels `(N,)`."""

    images: Images
    """Of train and validation together."""
    labels: np.ndarray
    test_images: Images
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    """Indexed by label."""
    skipped: tuple[str, ...] = ()
    """Files that could not be read."""


@dataclass(frozen=True)
class Part:
    """One split: uint8 images `(N, C, H, W)` and int64 labels `(N,)`."""

    images: Images
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def drawn(self, seed: int) -> "Part":
        """The images made binary by one draw; see `Images.drawn`."""
        return Part(self.images.drawn(seed), self.labels)

    def select(self, index: np.ndarray | slice, streamed: bool | None = None) -> "Part":
        """The images at these positions and their labels; `streamed`: see `Images`."""
        return Part(self.images.select(index, streamed), self.labels[index])


@dataclass(frozen=True)
class Dataset:
    """The splits of a data set. Only evaluation may read the test split, by `open_test`."""

    train: Part
    validation: Part
    _test: Part = field(repr=False)
    class_names: tuple[str, ...]
    skipped: tuple[str, ...]
    twins: dict[str, int]
    """Exact duplicates across splits: how many images of one split also occur in another."""
    fingerprint: str
    """Hex digest of all splits, in order."""
    mean_pixel: float
    """Mean of all training pixels, in [0, 1]."""
    grey: Images | None = None
    """The images that `train` was drawn from, where training draws them anew in each epoch."""

    def open_test(self) -> Part:
        """The test split; never to be called by code that trains, tunes or selects."""
        return self._test

    def unmapped(self) -> "Dataset":
        """The same data set, its splits as `Images.unmapped` has them."""
        parts = (self.train, self.validation, self._test)
        train, validation, test = (Part(part.images.unmapped(), part.labels) for part in parts)
        return replace(self, train=train, validation=validation, _test=test)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        c, h, w = self.train.images.shape[1:]
        return c, h, w

    def summary(self) -> dict[str, object]:
        """The description of the data in `run.json`."""
        sizes = {"train": len(self.train), "validation": len(self.validation)}
        return {
            "images": sum(sizes.values()) + len(self._test),
            **sizes,
            "test": len(self._test),
            "image_shape": list(self.image_shape),
            "skipped": list(self.skipped),
            "twins": self.twins,
            "fingerprint": self.fingerprint,
        }
