"""What a simple classifier can read from frozen codes.

Every classifier is trained on training codes, tuned on validation codes, and scored on test
codes once. Where there is no validation split, the middle one of the settings to choose from is
taken, and of the MLP the last epoch.

Legend: N codes, d code size, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ae_run.config import MlpConfig, ProbeConfig
from ae_run.evaluation.codes import Codes
from ae_run.randomness import derive_seed, generator

Predict = Callable[[Tensor], Tensor]
"""Codes (N, d) → classes (N,)."""


@dataclass(frozen=True)
class Splits:
    """The codes of a run's three splits."""

    train: Codes
    validation: Codes
    test: Codes
    classes: int

    def standardized(self) -> "Splits":
        """Each code dimension with mean 0 and variance 1 over the training codes."""
        mean, spread = self.train.z.mean(0), self.train.z.std(0, correction=0)
        spread = torch.where(spread > 0, spread, 1.0)
        parts = (self.train, self.validation, self.test)
        return Splits(*(Codes((p.z - mean) / spread, p.labels) for p in parts), self.classes)


def probe(options: ProbeConfig, splits: Splits, seed: int) -> dict[str, dict[str, Any]]:
    """Scores per classifier; none where the training images are all of one class.

    Returns:
        Per classifier `accuracy` on test, `confusion` (K, K) with counts of true class by row
        and given class by column, `n` of test images, `validation_accuracy` (None without
        validation images), and what was chosen: `l2`, `k` or `epoch`.
    """
    if len(splits.train.labels.unique()) < 2:
        return {}
    scores = {}
    for name in dict.fromkeys(options.classifiers):
        if name == "softmax":
            scores[name] = softmax(options.l2, splits.standardized())
        elif name == "knn":
            scores[name] = nearest_neighbours(options.neighbours, splits)
        else:
            scores[name] = mlp(options.mlp, splits.standardized(), seed)
    return scores


def softmax(penalties: Sequence[float], splits: Splits) -> dict[str, Any]:
    """One linear layer and a softmax: multinomial logistic regression.

    Minimises cross-entropy (mean over codes, nats) + l2/2 · ‖weights‖² by L-BFGS.
    """
    x = _with_ones(splits.train.z)
    w = torch.zeros(x.shape[1], splits.classes)
    fitted = {}
    for l2 in sorted(set(penalties), reverse=True):  # each starts from the last one's weights
        fitted[l2] = w = _logistic(x, splits.train.labels, l2, w)
    predictions: dict[float, Predict] = {l2: _linear(fitted[l2]) for l2 in penalties}
    l2, accuracy = _choose(predictions, splits.validation)
    return {**_test(predictions[l2], splits), "validation_accuracy": accuracy, "l2": l2}


def _with_ones(z: Tensor) -> Tensor:
    return torch.cat([z, torch.ones(len(z), 1)], 1)


def _linear(w: Tensor) -> Predict:
    return lambda z: (_with_ones(z) @ w).argmax(1)


@torch.enable_grad()
def _logistic(x: Tensor, labels: Tensor, l2: float, start: Tensor) -> Tensor:
    """Weights (d + 1, K) of a logistic regression on x (N, d + 1), whose last column is 1.

    L-BFGS works on the weights in the eigenbasis of the data's second moments, scaled by them:
    codes are strongly correlated, and without this it needs several times the steps.
    """
    moments, axes = torch.linalg.eigh((x.T.double() @ x.double()) / len(x))
    scale = (moments.clamp(min=0) + l2 + 1e-6).rsqrt()
    to_weights, from_weights = axes * scale, (axes / scale).T
    to_weights = to_weights.float()
    v = (from_weights @ start.double()).float().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [v], max_iter=100, tolerance_grad=1e-5, tolerance_change=1e-7,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def objective() -> Tensor:
        optimizer.zero_grad()
        w = to_weights @ v
        loss = F.cross_entropy(x @ w, labels) + l2 / 2 * w[:-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    return (to_weights @ v).detach()


def nearest_neighbours(counts: Sequence[int], splits: Splits) -> dict[str, Any]:
    """The most frequent class of the k nearest training codes, by Euclidean distance.

    Of classes that are equally frequent the lowest wins.
    """
    from sklearn.neighbors import NearestNeighbors

    most = min(max(counts), len(splits.train))
    search = NearestNeighbors(n_neighbors=most, algorithm="brute").fit(splits.train.z.numpy())
    found: dict[int, Tensor] = {}

    def neighbours(z: Tensor) -> Tensor:
        """Labels of the nearest training codes, (N, most); kept, since every k needs them."""
        if id(z) not in found:
            places = search.kneighbors(z.numpy(), return_distance=False)
            found[id(z)] = splits.train.labels[torch.from_numpy(places)]
        return found[id(z)]

    def vote(k: int) -> Predict:
        return lambda z: neighbours(z)[:, :k].mode(1).values

    predictions = {k: vote(k) for k in counts}
    k, accuracy = _choose(predictions, splits.validation)
    return {**_test(predictions[k], splits), "validation_accuracy": accuracy, "k": k}


@torch.enable_grad()
def mlp(options: MlpConfig, splits: Splits, seed: int) -> dict[str, Any]:
    """Linear layers with ReLU between them, cross-entropy, Adam; the notMNIST report's classifier.

    Also returns `history`: per epoch the mean training loss in nats and validation's loss and
    accuracy.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "probe-weights"))
        layers = _layers([splits.train.z.shape[1], *options.widths, splits.classes])
    optimizer = torch.optim.Adam(layers.parameters(), lr=options.lr)
    z, labels = splits.train.z, splits.train.labels
    history: dict[str, list[float]] = {"train_loss": []}
    best, best_epoch, best_accuracy = {}, options.epochs, None
    for epoch in range(1, options.epochs + 1):
        order = torch.randperm(len(z), generator=generator(seed, "probe-order", epoch))
        total = torch.zeros(())
        for index in order.split(options.batch_size):
            optimizer.zero_grad()
            loss = F.cross_entropy(layers(z[index]), labels[index])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach() * len(index)
        history["train_loss"].append(float(total / len(z)))
    return {}


def _layers(widths: Sequence[int]) -> nn.Sequential:
    modules: list[nn.Module] = []
    for before, after in pairwise(widths):
        modules += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*modules[:-1])
