"""Split a source into train, validation and test: stratified, disjoint, fixed by the seed."""

from dataclasses import asdict

import numpy as np

from ae_run.data import _facts
from ae_run.data._mapped import Images
from ae_run.data._types import Dataset, Part, Source
from ae_run.errors import UserError
from ae_run.processes import available_memory
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
    share, in_order = np.empty(len(labels)), labels[shuffled]
    for label in np.unique(labels):
        members = np.flatnonzero(in_order == label)
        share[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(share, kind="stable")]


def hold_out(images: Images, labels: np.ndarray, fraction: float, seed: int) -> tuple[Part, Part]:
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
    whole = Part(images, labels)
    return whole.select(rest), whole.select(test)


def split(source: Source, config: DataConfig) -> Dataset:
    """Order, limit and split a source, and make it binary if asked to.

    Train and validation share one seeded order, validation first; test has its own.
    `config.limit` keeps a prefix of both orders. Duplicates are those of the source. Images that
    take more than `config.memory` are streamed from their file.

    Raises:
        UserError: a split that must not be empty would be.
    """
    order = stratified_order(source.labels, config.split_seed)[: config.limit]
    test_order = stratified_order(source.test_labels, config.split_seed)[: config.limit]
    n_validation = round(len(order) * config.validation_fraction)
    _check_sizes(len(order), n_validation, len(test_order), config)
    whole, streamed = Part(source.images, source.labels), _streamed(source, config)
    validation = whole.select(order[:n_validation], streamed)
    train = whole.select(order[n_validation:], streamed)
    test = Part(source.test_images, source.test_labels).select(test_order, streamed)
    seed = None if config.binarize == "none" else config.split_seed
    facts = _facts.of(train, validation, test, seed)
    grey = train.images if config.binarize == "sample" else None
    if seed is not None:
        train, validation, test = (part.drawn(seed) for part in (train, validation, test))
    return Dataset(
        train=train,
        validation=validation,
        _test=test,
        class_names=source.class_names,
        skipped=source.skipped,
        **asdict(facts),
        grey=grey,
    )


def _streamed(source: Source, config: DataConfig) -> bool:
    """Whether the images take more memory than they may; only a file can be streamed."""
    arrays = {id(images.array): images for images in (source.images, source.test_images)}
    size = sum(images.array.nbytes for images in arrays.values())
    most = available_memory() / 2 if config.memory is None else config.memory * 1e9
    return size > most and all(images.file for images in arrays.values())


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
