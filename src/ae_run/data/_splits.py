"""Split a source into train, validation and test: stratified, disjoint, fixed by the seed."""

import hashlib
from collections.abc import Iterable

import numpy as np

from ae_run.data._binary import binarized
from ae_run.data._types import Dataset, Part, Source
from ae_run.errors import UserError
from ae_run.schema import DataConfig


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """A shuffle of labels `(N,)` in which every prefix has nearly the class shares of the whole.

    Each image is ranked by its relative position among the images of its class: the first half of
    the order holds the first half of every class. With classes of equal size, each is off by less
    than one image in any prefix.

    Returns:
        Indices `(N,)`.
    """
    # RandomState, not default_rng: its stream is frozen forever (NumPy's NEP 19), so a seed means
    # the same split on every machine and in every later version.
    shuffled = np.random.RandomState(seed).permutation(len(labels))
    share = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels[shuffled] == label)
        share[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(share, kind="stable")]


def hold_out(
    images: np.ndarray, labels: np.ndarray, fraction: float, seed: int
) -> tuple[Part, Part]:
    """Hold out a stratified test set from images `(N, C, H, W)` that come without one.

    Returns:
        The rest, and the `round(N * fraction)` held out; each in the source's order.

    Raises:
        UserError: there are too few images for that fraction.
    """
    order, n_test = stratified_order(labels, seed), round(len(labels) * fraction)
    if not 0 < n_test < len(labels):
        raise UserError(
            f"data.test_fraction={fraction:g}: must leave at least one image on either side, "
            f"but takes {n_test} of {len(labels)}; change it or use more images"
        )
    test, rest = np.sort(order[:n_test]), np.sort(order[n_test:])
    return Part(images[rest], labels[rest]), Part(images[test], labels[test])


def split(source: Source, config: DataConfig) -> Dataset:
    """Order, limit and split a source, and make it binary if asked to.

    Train and validation share one seeded order, validation first; test has its own.
    `config.limit` keeps a prefix of both orders. Duplicates are those of the source.

    Raises:
        UserError: a split that must not be empty would be.
    """
    order = stratified_order(source.labels, config.split_seed)[: config.limit]
    test_order = stratified_order(source.test_labels, config.split_seed)[: config.limit]
    n_validation = round(len(order) * config.validation_fraction)
    _check_sizes(len(order), n_validation, len(test_order), config)
    validation = _take(source.images, source.labels, order[:n_validation])
    train = _take(source.images, source.labels, order[n_validation:])
    test = _take(source.test_images, source.test_labels, test_order)
    twins, grey = _twins(train, validation, test), None
    if config.binarize != "none":
        grey = train.images if config.binarize == "sample" else None
        train, validation, test = (
            Part(binarized(part.images, config.split_seed), part.labels)
            for part in (train, validation, test)
        )
    return Dataset(
        train=train,
        validation=validation,
        _test=test,
        class_names=source.class_names,
        skipped=source.skipped,
        twins=twins,
        fingerprint=_fingerprint((train, validation, test)),
        grey=grey,
    )


def _take(images: np.ndarray, labels: np.ndarray, index: np.ndarray) -> Part:
    return Part(images[index], labels[index])


def _check_sizes(n: int, n_validation: int, n_test: int, config: DataConfig) -> None:
    fraction = config.validation_fraction
    if n_test == 0:
        raise UserError(f"data={config.name}: has no test image; must have at least one")
    if 0 < n_validation < n or (n > 0 and fraction == 0):
        return
    empty = "train" if n_validation == n else "validation"
    if config.limit == n:
        enough = next((m for m in range(n, 10**6) if 0 < round(m * fraction) < m), "more")
        raise UserError(
            f"data.limit={config.limit}: leaves no {empty} image with "
            f"data.validation_fraction={fraction:g}; set data.limit to {enough} or more"
        )
    raise UserError(
        f"data.validation_fraction={fraction:g}: leaves no {empty} image of {n}; "
        "change it, or set it to 0 to train on all images"
    )


def _row_digests(images: np.ndarray) -> list[bytes]:
    """A digest of each image."""
    return [hashlib.blake2b(image.tobytes(), digest_size=16).digest() for image in images]


def _twins(train: Part, validation: Part, test: Part) -> dict[str, int]:
    """Count the images of one split that occur, pixel for pixel, in another."""
    in_train, in_validation = set(_row_digests(train.images)), _row_digests(validation.images)
    seen = in_train.union(in_validation)
    return {
        "test_in_train_or_validation": sum(row in seen for row in _row_digests(test.images)),
        "validation_in_train": sum(row in in_train for row in in_validation),
    }


def _fingerprint(parts: Iterable[Part]) -> str:
    """Digest of all pixels, labels, shapes and types, in order."""
    digest = hashlib.sha256()
    for part in parts:
        for array in (part.images, part.labels):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()
