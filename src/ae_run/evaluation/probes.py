"""Probes: simple classifiers on frozen codes.

Every classifier is trained on training codes, tuned on validation codes, and scored once on test
codes. Without a validation split, the middle one of the candidate settings is used, and the last
epoch of the MLP. A probe's accuracy means little by itself: compare it with the same classifier on
raw pixels, or on as many principal components (`baselines`).

Legend: N codes, d code size, K classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ae_run.evaluation.codes import Codes
from ae_run.evaluation_config import MlpConfig, ProbeConfig, SgdConfig
from ae_run.randomness import derive_seed, generator

T = TypeVar("T")
_LEAST_STEPS = 25  # per epoch of the MLP: small sets get smaller batches
_MOST_TUNED = 2000  # validation codes to choose k by: finding neighbours is slow
_MOST_TRAINED, _MOST_TESTED = 100_000, 20_000  # codes of a split: neighbours take their product
_MOST_NUMBERS = 2e8  # of a split's codes: 800 MB


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

        def apply(codes: Codes) -> Codes:
            return Codes((codes.z - mean) / spread, codes.labels)

        parts = (self.train, self.validation, self.test)
        train, validation, test = map(apply, parts)
        return Splits(train, validation, test, self.classes)


def probe(options: ProbeConfig, splits: Splits, seed: int) -> dict[str, dict[str, Any]]:
    """Scores per classifier; empty if all training images are of one class.

    Of large splits, the first codes are used, which are a random sample of each class.

    Returns:
        For each classifier `accuracy` on test, `confusion` (K, K) with counts of true class by row
        and predicted class by column, `n` test images, `validation_accuracy` (None without
        validation images), and the chosen `l2`, `k` or `epoch`; for those trained by gradient
        steps also the test `loss`, and `history`, a list for each column of `sgd_epochs`.
    """
    width = splits.train.z.shape[1]
    splits = Splits(
        splits.train.first(most(width)),
        splits.validation.first(most(width, _MOST_TESTED)),
        splits.test.first(most(width, _MOST_TESTED)),
        splits.classes,
    )
    if splits.train.labels.min() == splits.train.labels.max():
        return {}
    scores: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(options.classifiers):
        if name == "softmax":
            scores[name] = softmax(options.l2, splits.standardized())
        elif name == "sgd_softmax":
            scores[name] = sgd_softmax(options.sgd_softmax, splits, seed)
        elif name == "knn":
            scores[name] = nearest_neighbours(options.neighbours, splits)
        else:
            scores[name] = mlp(options.mlp, splits, seed)
    return scores


def most(width: int, images: int = _MOST_TRAINED) -> int:
    """Of how many images classifiers look at the codes, each of so many numbers."""
    return min(images, round(_MOST_NUMBERS / width))


def softmax(penalties: Sequence[float], splits: Splits) -> dict[str, Any]:
    """One linear layer and a softmax: multinomial logistic regression.

    Minimises cross-entropy (mean over codes, nats) + l2/2 · ‖weights‖² by L-BFGS.
    """
    x, x_validation, x_test = (
        torch.cat([part.z, torch.ones(len(part), 1)], 1)  # the last weight is the bias
        for part in (splits.train, splits.validation, splits.test)
    )
    w = torch.zeros(splits.classes, x.shape[1])
    fitted = {}
    for l2 in sorted(set(penalties), reverse=True):  # each fit starts from the previous weights
        fitted[l2] = w = _logistic(x, splits.train.labels, l2, w)
    validation = {l2: F.linear(x_validation, fitted[l2]).argmax(1) for l2 in penalties}
    l2, accuracy = _choose(validation, splits.validation)
    scores = _scores(F.linear(x_test, fitted[l2]).argmax(1), splits)
    return {**scores, "validation_accuracy": accuracy, "l2": l2}


@torch.enable_grad()
def _logistic(x: Tensor, labels: Tensor, l2: float, start: Tensor) -> Tensor:
    """Weights (K, d + 1) of a logistic regression on x (N, d + 1), whose last column is 1.

    L-BFGS works on the weights in the eigenbasis of the data's second moments, scaled by them:
    codes are strongly correlated, and it would otherwise need several times as many steps. It
    stops when a step gains less than 1e-5 nats, which no accuracy reflects.
    """
    moments, axes = _eigenbasis(x.T @ x / len(x))
    scale = (moments.clamp(min=0) + l2 + 1e-6).sqrt()
    to_weights = axes / scale
    v = (start @ axes * scale).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [v],
        max_iter=100,
        tolerance_grad=1e-5,
        tolerance_change=1e-5,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        w = F.linear(v, to_weights)
        # (K, d + 1) rather than its transpose: the gradient takes a seventh of the time.
        loss: Tensor = F.cross_entropy(F.linear(x, w), labels) + l2 / 2 * w[:, :-1].square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(objective)  # type: ignore[no-untyped-call]
    return F.linear(v, to_weights).detach()


def _eigenbasis(moments: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (d,) and eigenvectors (d, d) of a symmetric matrix (d, d)."""
    try:
        values, vectors = torch.linalg.eigh(moments)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        # Units that are always zero give equal values, which may be too many for float32.
        values, vectors = torch.linalg.eigh(moments.cpu().double())
    return values.to(moments), vectors.to(moments)


def nearest_neighbours(counts: Sequence[int], splits: Splits) -> dict[str, Any]:
    """The most frequent class among the k nearest training codes, by Euclidean distance.

    Ties go to the lowest class.
    """
    from sklearn.neighbors import NearestNeighbors

    most = min(max(counts), len(splits.train))
    search = NearestNeighbors(n_neighbors=most, algorithm="brute").fit(splits.train.z.numpy())

    def labels_near(codes: Codes) -> Tensor:
        """Labels of the nearest training codes, nearest first: (N, most)."""
        if not len(codes):
            return torch.empty(0, most, dtype=torch.long)
        places = search.kneighbors(codes.z.numpy(), return_distance=False)
        return splits.train.labels[torch.from_numpy(places)]

    tuned = splits.validation.first(_MOST_TUNED)
    near = labels_near(tuned)
    k, accuracy = _choose({k: _vote(near, k) for k in counts}, tuned)
    scores = _scores(_vote(labels_near(splits.test), k), splits)
    return {**scores, "validation_accuracy": accuracy, "k": k}


def _vote(labels: Tensor, k: int) -> Tensor:
    return labels[:, :k].mode(1).values


def sgd_softmax(options: SgdConfig, splits: Splits, seed: int) -> dict[str, Any]:
    """One linear layer and a softmax on raw codes, after the last epoch of plain SGD.

    The zoo report's probe; for small codes it ends far from the optimum that `softmax` finds.
    """
    layer = _initial([splits.train.z.shape[1], splits.classes], seed)
    optimizer = torch.optim.SGD(layer.parameters(), lr=options.lr)
    epochs = sgd_epochs(layer, optimizer, options, splits, seed)
    return _trained(epochs, layer, splits, "last", "logits")


def mlp(options: MlpConfig, splits: Splits, seed: int) -> dict[str, Any]:
    """The notMNIST report's probe: linear layers with ReLU between them; see `mlp_epochs`."""
    splits = mlp_input(options, splits)
    layers, epochs = mlp_epochs(options, splits, seed)
    return _trained(epochs, layers, splits, options.keep, options.output)


def mlp_input(options: MlpConfig, splits: Splits) -> Splits:
    """The codes, standardized if the options say so."""
    return splits.standardized() if options.standardize else splits


def mlp_epochs(
    options: MlpConfig, splits: Splits, seed: int
) -> tuple[nn.Sequential, Iterator[dict[str, float]]]:
    """The MLP and its training epochs with Adam; see `sgd_epochs`."""
    layers = _initial([splits.train.z.shape[1], *options.widths, splits.classes], seed)
    optimizer = torch.optim.Adam(layers.parameters(), lr=options.lr)
    batch_size = min(options.batch_size, -(-len(splits.train) // _LEAST_STEPS))
    options = options.model_copy(update={"batch_size": batch_size})
    return layers, sgd_epochs(layers, optimizer, options, splits, seed, options.output)


@torch.enable_grad()
def sgd_epochs(
    layers: nn.Sequential,
    optimizer: torch.optim.Optimizer,
    options: SgdConfig,
    splits: Splits,
    seed: int,
    output: str = "logits",
) -> Iterator[dict[str, float]]:
    """Minimise the cross-entropy; after each epoch, yield its scores.

    `train_loss` and `train_accuracy` are means over the epoch's steps; with validation codes there
    are also `validation_loss` and `validation_accuracy`. Losses are in nats.
    """
    train, validation = splits.train, splits.validation
    for epoch in range(1, options.epochs + 1):
        order = torch.randperm(len(train), generator=generator(seed, "probe-order", epoch))
        total, correct = torch.zeros(()), torch.zeros((), dtype=torch.long)
        for index in torch.split(order, options.batch_size):
            labels = train.labels[index]
            optimizer.zero_grad()
            logits = layers(train.z[index])
            loss = _cross_entropy(logits, labels, output)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach() * len(index)
            correct += (logits.argmax(1) == labels).sum()
        row = {
            "train_loss": float(total / len(train)),
            "train_accuracy": float(correct / len(train)),
        }
        if len(validation):
            logits = layers(validation.z).detach()
            row["validation_loss"] = float(_cross_entropy(logits, validation.labels, output))
            row["validation_accuracy"] = _accuracy(logits.argmax(1), validation.labels)
        yield row


def _trained(
    epochs: Iterator[dict[str, float]],
    layers: nn.Sequential,
    splits: Splits,
    keep: str,
    output: str,
) -> dict[str, Any]:
    """Train to the end; return the scores of the last epoch, or of the best on validation."""
    history: list[dict[str, float]] = []
    best: dict[str, Any] = {}
    for row in epochs:
        history.append(row)
        accuracy = row.get("validation_accuracy")
        if accuracy is None or keep == "last" or not best or accuracy > best["validation_accuracy"]:
            best = {"validation_accuracy": accuracy, "epoch": len(history)}
            logits = layers(splits.test.z).detach()
    columns = {name: [row[name] for row in history] for name in history[0]}
    loss = float(_cross_entropy(logits, splits.test.labels, output))
    return {**_scores(logits.argmax(1), splits), "loss": loss, **best, "history": columns}


def _cross_entropy(logits: Tensor, labels: Tensor, output: str) -> Tensor:
    """Mean over codes in nats; with `output="softmax"`, of the softmax's output used as logits."""
    return F.cross_entropy(logits.softmax(1) if output == "softmax" else logits, labels)


def _initial(widths: Sequence[int], seed: int) -> nn.Sequential:
    """Layers with initial weights drawn from a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "probe-weights"))
        return _layers(widths)


def _layers(widths: Sequence[int]) -> nn.Sequential:
    modules: list[nn.Module] = []
    for before, after in pairwise(widths):
        modules += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def _choose(predictions: dict[T, Tensor], validation: Codes) -> tuple[T, float | None]:
    """The setting with the best validation predictions, and their accuracy.

    Ties go to the first setting; without validation codes, the middle setting and None.
    """
    settings = list(predictions)
    if not len(validation):
        return settings[len(settings) // 2], None
    accuracies = [_accuracy(predictions[s], validation.labels) for s in settings]
    best = max(accuracies)
    return settings[accuracies.index(best)], best


def _accuracy(predicted: Tensor, labels: Tensor) -> float:
    return float((predicted == labels).double().mean())


def _scores(predicted: Tensor, splits: Splits) -> dict[str, Any]:
    """Accuracy and confusion matrix of predictions for the test codes."""
    labels, k = splits.test.labels, splits.classes
    confusion = torch.bincount(labels * k + predicted, minlength=k * k).reshape(k, k)
    return {
        "accuracy": _accuracy(predicted, labels),
        "n": len(labels),
        "confusion": confusion.tolist(),
    }
