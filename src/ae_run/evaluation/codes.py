"""Codes of whole splits, and their projections to two and three dimensions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ae_run.data import Part
from ae_run.images import DeviceImages
from ae_run.meter import PerImage
from ae_run.models import Autoencoder


@dataclass(frozen=True)
class Codes:
    """Codes (N, d) of a split as float32, with labels (N,) as int64, both on the CPU."""

    z: Tensor
    labels: Tensor

    @classmethod
    def of(cls, model: Autoencoder, part: Part, images: DeviceImages, batch_size: int) -> "Codes":
        """Encode a split, whose images are on the device as `images`."""
        if not len(part):
            return cls(torch.empty(0, model.latent_dim), torch.from_numpy(part.labels))
        return cls.through(model.encode, images.batches(batch_size), part.labels)

    @classmethod
    def through(
        cls, encode: Callable[[Tensor], Tensor], batches: Iterable[Tensor], labels: np.ndarray
    ) -> "Codes":
        """Encode a split of N > 0 images in batches (B, C, H, W), each to (B, d); labels (N,)."""
        found = PerImage(len(labels))
        for x in batches:
            found.add({"z": encode(x).float()})
        return cls(torch.from_numpy(found.arrays()["z"]), torch.from_numpy(labels))

    def __len__(self) -> int:
        return len(self.z)

    def first(self, count: int) -> "Codes":
        """The first `count` of them."""
        return Codes(self.z[:count], self.labels[:count])


def project(codes: np.ndarray, dims: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, d) projected to (n, dims), and the names of the axes (dims,).

    By PCA; codes with d ≤ dims are kept as they are, padded with zeros.
    """
    n, d = codes.shape
    if d <= dims:
        names = [f"code {i + 1}" if d > 1 else "code" for i in range(d)]
        return np.pad(codes, ((0, 0), (0, dims - d))), np.array(names + [""] * (dims - d))
    from sklearn.decomposition import PCA

    pca = PCA(min(dims, n), random_state=0)
    with np.errstate(invalid="ignore"):  # the ratios if the total variance is 0
        points = pca.fit_transform(codes)
    missing = dims - points.shape[1]
    shares = np.pad(np.nan_to_num(pca.explained_variance_ratio_), (0, missing))
    names = [f"PC {i + 1} ({share:.0%} of variance)" for i, share in enumerate(shares)]
    return np.pad(points, ((0, 0), (0, missing))).astype(np.float32), np.array(names)


def tsne(codes: np.ndarray, dims: int, seed: int) -> np.ndarray | None:
    """A t-SNE embedding of codes (n, d) in 2 or 3 dimensions (n, dims); None for n < 5.

    Van der Maaten and Hinton 2008, "Visualizing data using t-SNE"; perplexity 30, or less for
    few codes.
    """
    n, d = codes.shape
    if n < 5:
        return None
    from sklearn.manifold import TSNE

    # Initialize with PCA if there are enough dimensions and the codes differ at all.
    start = "pca" if min(n, d) >= dims and np.ptp(codes, axis=0).max() > 0 else "random"
    embedding = TSNE(dims, perplexity=min(30.0, (n - 1) / 3), init=start, random_state=seed)
    points: np.ndarray = embedding.fit_transform(codes)
    return points.astype(np.float32)
