"""Fréchet distance between samples and test images, on the features of a small classifier.

‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2(Σ₁Σ₂)^½) for the means and covariances of the features of two sets of
images: the squared 2-Wasserstein distance between two Gaussians (Dowson and Landau 1982, "The
Fréchet distance between multivariate normal distributions"), used by Heusel et al. 2017, "GANs
trained by a two time-scale update rule", with Inception's features. These are those of a net that
was trained on the data set itself: distances on one data set can be compared with each other, and
with none that others publish.

Legend: B batch, C channels, H W pixels, K classes.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ae_run.atomic import write_bytes
from ae_run.data import Dataset, Part, cache_dir
from ae_run.evaluation.baselines import Pca
from ae_run.evaluation.codes import Codes
from ae_run.evaluation.latent import Decoder, gaussian_codes, prior_codes
from ae_run.images import DeviceImages
from ae_run.models import Autoencoder
from ae_run.randomness import derive_seed, generator

FEATURES = 64
VERSION = 1
"""Of the classifier; a new one ignores cached files of the old one."""
_STEPS, _EPOCHS, _BATCH, _LR = 1500, 100, 128, 2e-3
_AT_ONCE = 500


class Classifier:
    """A small convolutional classifier, trained once per data set and kept in the cache."""

    def __init__(self, layers: nn.Sequential, accuracy: float) -> None:
        self._layers = layers
        self.accuracy = accuracy
        """On test images."""

    @classmethod
    def of(cls, dataset: Dataset, device: torch.device, say: Callable[[str], None]) -> "Classifier":
        """The data set's classifier, from the cache or trained.

        It is trained on the CPU, so that it is the same wherever it is trained first.
        """
        path = cache_dir() / "classifiers" / f"v{VERSION}-{dataset.fingerprint[:24]}.safetensors"
        layers = _layers(dataset.image_shape, len(dataset.class_names))
        accuracy = _read(path, layers)
        if accuracy is None:
            _train(layers, dataset.train)
            accuracy = _accuracy(layers, dataset.open_test())
            _write(path, layers, accuracy, say)
        return cls(layers.to(device).eval(), accuracy)

    def features(self, batches: Iterable[Tensor]) -> np.ndarray:
        """The activations of the last hidden layer for batches (B, C, H, W): float64 (N, 64)."""
        found = [self._layers[:-1](x).double().cpu() for x in batches]
        array: np.ndarray = torch.cat(found).numpy()
        return array


def _layers(image_shape: tuple[int, int, int], classes: int) -> nn.Sequential:
    """Two convolutions of stride 2, a hidden layer of `FEATURES`, K logits."""
    channels, height, width = image_shape
    size = 32 * math.ceil(height / 4) * math.ceil(width / 4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(0, "classifier"))
        return nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(size, FEATURES),
            nn.ReLU(),
            nn.Linear(FEATURES, classes),
        )


@torch.enable_grad()
def _train(layers: nn.Sequential, train: Part) -> None:
    """Minimise the cross-entropy by Adam, with a learning rate that falls to zero.

    For 1,500 steps; for small data sets at most 100 epochs.
    """
    images, labels = DeviceImages(train.images, torch.device("cpu")), torch.from_numpy(train.labels)
    steps = min(_STEPS, _EPOCHS * math.ceil(len(images) / _BATCH))
    optimizer = torch.optim.Adam(layers.parameters(), _LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for batch in islice(_batches(len(images)), steps):
        loss = F.cross_entropy(layers(images.take(batch)), labels[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def _batches(count: int) -> Iterator[Tensor]:
    """Positions of images in random order, epoch after epoch, without end."""
    epoch = 0
    while True:
        epoch += 1
        order = torch.randperm(count, generator=generator(0, "classifier", epoch))
        yield from torch.split(order, _BATCH)


def _accuracy(layers: nn.Sequential, test: Part) -> float:
    batches = DeviceImages(test.images, torch.device("cpu")).batches(_AT_ONCE)
    classes = torch.cat([layers(x).argmax(1) for x in batches])
    return float((classes == torch.from_numpy(test.labels)).double().mean())


def _read(path: Path, layers: nn.Sequential) -> float | None:
    """Load cached weights; return their accuracy, or None if the file is missing or corrupt."""
    try:
        weights = safetensors.torch.load(path.read_bytes())
        accuracy = float(weights.pop("test_accuracy"))
        layers.load_state_dict(weights)
    except (OSError, safetensors.SafetensorError, KeyError, RuntimeError):
        return None
    return accuracy


def _write(path: Path, layers: nn.Sequential, accuracy: float, say: Callable[[str], None]) -> None:
    known = torch.tensor(accuracy, dtype=torch.float64)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, safetensors.torch.save(layers.state_dict() | {"test_accuracy": known}))
    except OSError as error:
        say(f"{path}: cannot be written ({error.strerror}); it will be trained every time")


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The Fréchet distance between two samples of features, (n, d) and (m, d); at least 0."""
    mean = np.square(a.mean(0) - b.mean(0)).sum()
    first, second = _covariance(a), _covariance(b)
    # tr (AB)^½ = tr (A^½ B A^½)^½, the root of a symmetric matrix.
    values, axes = np.linalg.eigh(first)
    root = axes * np.sqrt(values.clip(min=0)) @ axes.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(min=0)).sum()
    return max(0.0, float(mean + np.trace(first) + np.trace(second) - 2 * cross))


def _covariance(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(0)
    covariance: np.ndarray = centred.T @ centred / max(len(x) - 1, 1)
    return covariance


def frechet(
    count: int,
    model: Autoencoder,
    pca: Pca,
    dataset: Dataset,
    train_codes: Callable[[], Codes],
    images: DeviceImages,
    seed: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Distances of samples to the test images; as many of each, since a distance depends on it.

    Returns:
        `n` of each kind, `samples_from` the `prior` or a Gaussian fitted to the `codes`, the
        distances of `samples`, of `validation` images (the least that a model can hope for; None
        without such), and of `pca`: samples of a Gaussian fitted to the training images' principal
        components; the classifier's `accuracy` on test.
    """
    classifier = Classifier.of(dataset, images.device, say)
    say(f"Fréchet distance: features of a classifier with test accuracy {classifier.accuracy:.4f}")
    validation, train = (
        DeviceImages(part.images, images.device) for part in (dataset.validation, dataset.train)
    )
    n = min(count, len(images), len(validation) or count)
    test = classifier.features(_first(images, n))

    prior = prior_codes(model, n, seed)
    codes = prior if prior is not None else gaussian_codes(train_codes().z, n, seed)
    samples = torch.from_numpy(Decoder(model, _AT_ONCE)(codes)).to(images.device).float() / 255
    components = torch.cat([pca.encode(x).cpu() for x in train.batches(_AT_ONCE)])
    from_pca = pca.decode(gaussian_codes(components, n, seed).to(images.device)).clamp(0, 1)
    from_pca = from_pca.reshape(n, *dataset.image_shape)

    def to_test(batches: Iterable[Tensor]) -> float:
        return distance(classifier.features(batches), test)

    return {
        "n": n,
        "samples_from": "codes" if prior is None else "prior",
        "samples": to_test(torch.split(samples, _AT_ONCE)),
        "validation": to_test(_first(validation, n)) if len(validation) else None,
        "pca": to_test(torch.split(from_pca, _AT_ONCE)),
        "accuracy": classifier.accuracy,
    }


def _first(images: DeviceImages, count: int) -> Iterator[Tensor]:
    """The first images in batches."""
    for start in range(0, count, _AT_ONCE):
        yield images.slice(start, min(start + _AT_ONCE, count))
