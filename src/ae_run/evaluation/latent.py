"""Images decoded from the latent space: centroids, paths, samples and a plane.

Legend: d code size, K classes, P paths, S steps on a path, V variances, R values on an axis.
Centroids, spreads and the fitted Gaussian are computed from the codes of training images.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from ae_run.evaluation.codes import Codes
from ae_run.evaluation_config import LatentConfig
from ae_run.images import to_uint8
from ae_run.models import Autoencoder
from ae_run.randomness import generator

Arrays = dict[str, np.ndarray]
Say = Callable[[str], None]
_KEY = "evaluate.latent"
_TRAVERSED = 64
"""Dimensions that are varied one by one, at most."""


def latent_arrays(
    options: LatentConfig,
    model: Autoencoder,
    train: Codes,
    test: Codes,
    classes: int,
    seed: int,
    say: Say,
) -> Arrays:
    """All images decoded from the latent space, uint8 (…, C, H, W).

    Whatever the run cannot provide, such as a path to a class without training images, is left
    out and reported through `say`.
    """
    decode = Decoder(model, batch_size=256)
    means = centroids(train, classes)  # (K, d)
    prior = prior_codes(model, options.samples or 1, seed)
    arrays = {"centroids_images": decode(means)}
    arrays |= _paths(options, decode, means, test, prior is not None, say)
    arrays |= _path_across(options, decode, train.z, say)
    if options.variances:
        samples = around(means, options.variances, seed)
        arrays["centroid_samples_images"] = decode(samples)
        arrays["centroid_samples_variances"] = np.array(options.variances)
    if options.spread_steps:
        spreads = train.z.std(0, correction=0)  # (d,)
        samples = around(means, [step**2 for step in options.spread_steps], seed, spreads)
        arrays["centroid_spread_images"] = decode(samples)
        arrays["centroid_spread_steps"] = np.array(options.spread_steps)
    if options.samples:
        codes = prior if prior is not None else gaussian_codes(train.z, options.samples, seed)
        arrays["random_samples_images"] = decode(codes)
    return arrays | _plane(options, decode, train.z, prior is not None, say)


def traversals(
    options: LatentConfig, model: Autoencoder, train: Codes, importance: Tensor, seed: int
) -> Arrays:
    """Each dimension varied by itself, the most important first; the others stay at their mean.

    With a prior, they stay at 0, and the values are in the prior's standard deviations.

    Args:
        options: `grid_range` and `grid_size` of the values.
        model: decodes.
        train: codes of the training images.
        importance: of each dimension, (d,).
        seed: of the run.

    Returns:
        `traversals_images` (T, R, C, H, W) of T ≤ 64 dimensions, `_dims` (T,), `_importance` (T,)
        and `_values` (R,), in standard deviations.
    """
    dims = importance.argsort(descending=True, stable=True)[:_TRAVERSED]
    centre, spread = _centre(train.z, prior_codes(model, 1, seed) is not None)
    values = _axis(options)
    codes = centre.repeat(len(dims), len(values), 1)  # (T, R, d)
    for row, dim in enumerate(dims.tolist()):
        codes[row, :, dim] += values * spread[dim]
    return {
        "traversals_images": Decoder(model, batch_size=256)(codes),
        "traversals_dims": dims.numpy(),
        "traversals_importance": importance[dims].float().numpy(),
        "traversals_values": values.numpy(),
    }


class Decoder:
    """Decodes codes of any leading shape in batches."""

    def __init__(self, model: Autoencoder, batch_size: int) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._batch_size = batch_size

    def __call__(self, codes: Tensor) -> np.ndarray:
        """Codes (…, d) → uint8 images (…, C, H, W); black for NaN codes."""
        flat = codes.flatten(0, -2).float()
        known = ~flat.isnan().any(1)
        images = np.zeros((len(flat), *self._model.image_shape), np.uint8)
        parts = [
            to_uint8(self._model.decode(z.to(self._device)))
            for z in torch.split(flat[known], self._batch_size)
        ]
        images[known.numpy()] = np.concatenate(parts) if parts else 0
        return images.reshape(*codes.shape[:-1], *self._model.image_shape)


def centroids(codes: Codes, classes: int) -> Tensor:
    """The mean code of each class: (K, d); NaN for a class without images."""
    sums = torch.zeros(classes, codes.z.shape[1], dtype=torch.float64)
    sums.index_add_(0, codes.labels, codes.z.double())
    counts = torch.bincount(codes.labels, minlength=classes)
    return (sums / counts[:, None]).float()


def linear(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Evenly spaced codes from start to end, (P, d) each: (P, S, d)."""
    share = torch.linspace(0, 1, steps)[:, None]
    return torch.lerp(start[:, None], end[:, None], share)


def spherical(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Codes from start to end, (P, d) each, at evenly spaced angles around 0: (P, S, d).

    Shoemake 1985, "Animating rotation with quaternion curves"; White 2016, "Sampling generative
    networks". A straight line if the two directions are the same or opposite.
    """
    directions = (torch.nn.functional.normalize(code, dim=1).double() for code in (start, end))
    cosine = torch.stack(list(directions)).prod(0).sum(1).clamp(-1, 1)
    angle = torch.arccos(cosine)[:, None, None]  # (P, 1, 1)
    share = torch.linspace(0, 1, steps, dtype=torch.float64)[:, None]
    weights = (torch.sin((1 - share) * angle), torch.sin(share * angle))  # (P, S, 1)
    path = (weights[0] * start[:, None] + weights[1] * end[:, None]) / torch.sin(angle)
    is_curved = torch.sin(angle) > 1e-4  # (P, 1, 1)
    curved: Tensor = torch.where(is_curved, path.to(start.dtype), linear(start, end, steps))
    return curved


def around(
    means: Tensor, variances: Sequence[float], seed: int, unit: Tensor | float = 1.0
) -> Tensor:
    """Codes around centroids (K, d), with Gaussian noise of each variance: (V, K, d).

    The noise of a class has the same direction at every variance; its `unit` may differ between
    dimensions, (d,).
    """
    noise = torch.randn(means.shape, generator=generator(seed, "centroid-samples"))
    spreads = torch.tensor(variances, dtype=means.dtype).sqrt()
    samples: Tensor = means + spreads[:, None, None] * unit * noise
    return samples


def gaussian_codes(codes: Tensor, n: int, seed: int) -> Tensor:
    """Samples from a Gaussian with the mean and covariance of codes (N, d): (n, d)."""
    z = codes.double()
    centred = z - z.mean(0)
    covariance = centred.T @ centred / max(len(z) - 1, 1)
    # By eigenvectors rather than Cholesky: a code dimension may be constant.
    variances, axes = torch.linalg.eigh(covariance)
    source = generator(seed, "random-codes")
    noise = torch.randn(n, z.shape[1], generator=source, dtype=torch.float64)
    drawn: Tensor = z.mean(0) + noise * variances.clamp(min=0).sqrt() @ axes.T
    return drawn.float()


def prior_codes(model: Autoencoder, n: int, seed: int) -> Tensor | None:
    """Samples from the model's prior (n, d), or None if it has none."""
    device = next(model.parameters()).device
    codes = model.sample(n, generator(seed, "random-codes", device=device))
    return None if codes is None else codes.cpu()


def _paths(
    options: LatentConfig,
    decode: Decoder,
    means: Tensor,
    test: Codes,
    has_prior: bool,
    say: Say,
) -> Arrays:
    """Decoded paths between class centroids and between test images."""
    present = (~means.isnan().any(1)).nonzero()[:, 0].tolist()
    if options.path_classes is None:
        classes = list(zip(present[::2], present[1::2], strict=False))
    else:
        key = f"{_KEY}.path_classes"
        classes = list(_known(options.path_classes, set(present), key, "training image of", say))
    if options.path_images is None:
        first = {label: place for place, label in reversed(list(enumerate(test.labels.tolist())))}
        images = [(first[a], first[b]) for a, b in classes if a in first and b in first]
    else:
        places, key = set(range(len(test))), f"{_KEY}.path_images"
        images = list(_known(options.path_images, places, key, "test image", say))
    arrays: Arrays = {}
    if classes:
        ends = torch.tensor(classes).T
        path = linear(means[ends[0]], means[ends[1]], options.path_steps)
        arrays["paths_centroids_images"] = decode(path)
        arrays["paths_centroids_labels"] = np.array(classes)
        if means.shape[1] == 2:
            arrays["path_2d_points"] = path.flatten(0, 1).numpy()
    if images:
        ends = torch.tensor(images).T
        kinds = {"images": linear} | ({"spherical": spherical} if has_prior else {})
        for kind, interpolate in kinds.items():
            path = interpolate(test.z[ends[0]], test.z[ends[1]], options.path_steps)
            arrays[f"paths_{kind}_images"] = decode(path)
            arrays[f"paths_{kind}_labels"] = test.labels[ends.T].numpy()
    return arrays


def _path_across(options: LatentConfig, decode: Decoder, codes: Tensor, say: Say) -> Arrays:
    """The decoded path between two points, given as quantiles of each dimension of codes (N, d)."""
    if options.path_quantiles is None:
        return {}
    if len(options.path_quantiles) != (d := codes.shape[1]):
        say(f"{_KEY}.path_quantiles: left out: the code has {d} dimensions")
        return {}
    shares = torch.tensor(options.path_quantiles).T  # (2, d)
    # Not torch.quantile, which refuses more than 16 million numbers.
    order = codes.sort(0).values
    rows = (shares * (len(codes) - 1)).round().long()
    ends = order.gather(0, rows)
    path = linear(ends[:1], ends[1:], options.path_steps)  # (1, S, d)
    arrays = {"paths_quantiles_images": decode(path)}
    return arrays | ({"path_2d_points": path[0].numpy()} if d == 2 else {})


def _known(
    pairs: Iterable[Sequence[int]], known: set[int], key: str, what: str, say: Say
) -> Iterable[tuple[int, int]]:
    """The pairs whose members are both known; the others are reported through `say`."""
    for a, b in pairs:
        missing = [n for n in (a, b) if n not in known]
        if missing:
            say(f"{key}: [{a}, {b}] left out: there is no {what} {missing[0]}")
        else:
            yield a, b


def _plane(
    options: LatentConfig, decode: Decoder, codes: Tensor, has_prior: bool, say: Say
) -> Arrays:
    """A grid over two dimensions of the code; the others stay at the mean, or at 0 with a prior.

    In image [r, c], dimension `dims[0]` is `values[c]` standard deviations away from there, and
    `dims[1]` is `values[r]` away.
    """
    d = codes.shape[1]
    spread = codes.std(0, correction=0)
    if options.grid_dims is None:
        dims = spread.argsort(descending=True, stable=True)[:2].tolist()
    else:
        dims = list(options.grid_dims)
    if d < 2:
        return {}
    if max(dims) >= d:
        say(f"{_KEY}.grid_dims: {dims} left out: the code has dimensions 0 to {d - 1}")
        return {}
    centre, spread = _centre(codes, has_prior)
    values = _axis(options)
    plane = centre.repeat(len(values), len(values), 1)  # (R, R, d)
    plane[:, :, dims[0]] += values[None, :] * spread[dims[0]]
    plane[:, :, dims[1]] += values[:, None] * spread[dims[1]]
    return {
        "latent_grid_images": decode(plane),
        "latent_grid_dims": np.array(dims),
        "latent_grid_values": values.numpy(),
    }


def _centre(codes: Tensor, has_prior: bool) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation, (d,) each, of the prior or of codes (N, d)."""
    if has_prior:
        return torch.zeros(codes.shape[1]), torch.ones(codes.shape[1])
    return codes.mean(0), codes.std(0, correction=0)


def _axis(options: LatentConfig) -> Tensor:
    """The values along a dimension, in standard deviations: (R,), symmetric, exactly."""
    last = options.grid_size - 1
    return options.grid_range * (2 * torch.arange(last + 1) - last) / last
