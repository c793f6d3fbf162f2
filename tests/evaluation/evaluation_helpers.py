"""Small data and models whose scores are known, for the evaluation tests."""

import numpy as np
import torch
from torch import Tensor, nn

from ae_run.data import Dataset, Images, Part
from ae_run.models import Autoencoder
from ae_run.schema import ModelConfig

CPU = torch.device("cpu")


def make_part(n: int, classes: int, shape: tuple[int, int, int], seed: int) -> Part:
    """Noisy images (n, C, H, W), each a pattern of its class."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(0).integers(30, 220, (classes, *shape))
    labels = np.arange(n, dtype=np.int64) % classes
    images = patterns[labels] + rng.normal(0, 12, (n, *shape))
    return Part(Images(images.clip(0, 255).astype(np.uint8)), labels)


def make_dataset(
    train: int = 60,
    validation: int = 20,
    test: int = 25,
    classes: int = 3,
    shape: tuple[int, int, int] = (1, 8, 8),
) -> Dataset:
    return Dataset(
        train=make_part(train, classes, shape, 1),
        validation=make_part(validation, classes, shape, 2),
        _test=make_part(test, classes, shape, 3),
        class_names=tuple(f"class {i}" for i in range(classes)),
        skipped=(),
        twins={},
        fingerprint="",
        mean_pixel=0.5,
    )


class Function(Autoencoder):
    """A model whose reconstruction is any function of the images; its code is the image."""

    def __init__(self, function, image_shape=(1, 8, 8)):
        super().__init__(
            ModelConfig(name="function", latent_dim=int(np.prod(image_shape))), image_shape
        )
        self.function = function
        self.weight = nn.Parameter(torch.ones(()))

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        return z.reshape(-1, *self.image_shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.function(x)


class Linear(Autoencoder):
    """Random orthonormal projection to d dimensions and back."""

    def __init__(self, latent_dim: int = 4, image_shape=(1, 8, 8), seed: int = 0):
        super().__init__(ModelConfig(name="linear", latent_dim=latent_dim), image_shape)
        source = torch.Generator().manual_seed(seed)
        basis = torch.randn(int(np.prod(image_shape)), latent_dim, generator=source)
        self.basis = nn.Parameter(torch.linalg.qr(basis).Q)

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - 0.5) @ self.basis

    def decode(self, z: Tensor) -> Tensor:
        return (0.5 + z @ self.basis.T).reshape(-1, *self.image_shape).clamp(0, 1)


class WithPrior(Linear):
    """The same, with a standard normal prior and a density of its own."""

    def sample(self, n, source):
        return torch.randn(n, self.latent_dim, generator=source)

    def log_likelihood(self, x, samples):  # noqa: ARG002
        return -x.flatten(1).sum(1)
