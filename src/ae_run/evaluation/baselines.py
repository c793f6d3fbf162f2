"""What a score has to beat: PCA with the same code size, and the mean image."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ae_run.data import Part
from ae_run.images import DeviceImages
from ae_run.meter import Meter
from ae_run.models._base import mse


@dataclass(frozen=True)
class Pca:
    """Principal components of the clean training images, on the device of the model."""

    mean: Tensor
    """(C·H·W,)"""
    components: Tensor
    """(k, C·H·W), orthonormal rows."""

    @classmethod
    def fit(cls, train: Part, latent_dim: int, device: torch.device) -> "Pca":
        """As many components as the code has dimensions, or as the images allow."""
        from sklearn.decomposition import PCA

        x = train.images.reshape(len(train), -1).astype(np.float32)
        x /= 255
        with np.errstate(invalid="ignore"):  # the shares of a variance that is 0
            pca = PCA(min(latent_dim, *x.shape), copy=False, random_state=0).fit(x)
        mean, components = (torch.from_numpy(a) for a in (pca.mean_, pca.components_))
        return cls(mean.to(device), components.to(device))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) → their projections, of the same shape."""
        codes = (images.flatten(1) - self.mean) @ self.components.T
        return torch.addmm(self.mean, codes, self.components).reshape(images.shape)


def baselines(pca: Pca, test: DeviceImages, batch_size: int) -> dict[str, dict[str, Any]]:
    """Test MSE, in units of [0, 1] pixels, of baselines fitted to the training images.

    `pca`: see `Pca`. `mean`: every image reconstructed as the mean training image.
    """
    meter = Meter()
    for target in test.batches(batch_size):
        mean = pca.mean.reshape(target.shape[1:])
        meter.add({"pca": mse(pca.reconstruct(target), target), "mean": mse(mean, target)})
    means = meter.means()
    return {
        "pca": {"mse": means["pca"], "components": len(pca.components)},
        "mean": {"mse": means["mean"]},
    }
