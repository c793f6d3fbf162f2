"""Decoded codes: centroids, paths, samples and a grid."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from ae_run.drawing.image_grid import COLUMNS, Block, grid_figure, pick, wrap
from ae_run.drawing.run_data import RunData
from ae_run.drawing.scatter import scatter_figure
from ae_run.drawing.style import Style, plain
from ae_run.figures._section import Section

section = Section("Latent space")

_KINDS = {
    "centroids": "between class centroids",
    "images": "between test images, straight",
    "spherical": "between test images, spherical",
    "quantiles": "across the training codes",
}
_PATHS, _STEPS = 6, 13
_COLUMNS = 12


@section.figure(
    "Class centroids",
    "The decoded mean code of each class (training images).",
)
def centroids(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `centroids_images` (K, C, H, W), one per class."""
    images = run.array("centroids_images")
    if images is None:
        return None
    names = (run.names() + [str(k) for k in range(len(images))][len(run.names()) :])[: len(images)]
    grid, count = wrap(images)
    colors = [style.text_color(k) for k in range(len(names))]
    block = Block(grid, count=count, cell_labels=names, cell_colors=colors)
    return grid_figure(style, title, run.label, [block])


def _ends(run: RunData) -> str:
    shown = [kind for kind in _KINDS if run.array(f"paths_{kind}_images") is not None]
    text = "Evenly spaced steps between two codes, decoded."
    ends = {
        "class centroids": "centroids" in shown,
        "the codes of two test images": "images" in shown or "spherical" in shown,
        "two quantiles of the training codes in every dimension": "quantiles" in shown,
    }
    if any(ends.values()):
        text += f" The ends are {', or '.join(end for end, is_shown in ends.items() if is_shown)}."
    if "spherical" in shown:
        text += " Spherical paths stay on the shell where the draws from a Gaussian prior lie."
    return text


@section.figure("Paths through the latent space", _ends)
def interpolation(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `paths_<kind>_images` (P, S, C, H, W) and `paths_<kind>_labels` (P, 2).

    The kinds are `centroids`, `images`, `spherical`, and without labels `quantiles`.
    """
    blocks = list(_paths(run))
    return grid_figure(style, title, run.label, blocks) if blocks else None


def _paths(run: RunData) -> Iterator[Block]:
    for kind, title in _KINDS.items():
        images = run.array(f"paths_{kind}_images")
        if images is None:
            continue
        images = images[:_PATHS]
        names = [plain(name, 10) for name in run.names_of(f"paths_{kind}_labels")]
        pairs = list(zip(names[::2], names[1::2], strict=False))[: len(images)]
        yield Block(
            images[:, pick(images.shape[1], _STEPS)],
            row_labels=[f"{start} → {end}" for start, end in pairs],
            title=title,
        )


def _stars(run: RunData) -> str:
    across = run.array("paths_quantiles_images") is not None
    where = "across the training codes" if across else "along the paths between class centroids"
    return (
        f"Codes of test images; stars mark the points that were decoded {where}. At a star far "
        "from all codes the decoder has to extrapolate."
    )


@section.figure("Decoded points among the codes", _stars)
def two_d_paths(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `path_2d_points` (S, 2) and a run whose `codes` are (n, 2)."""
    points, codes, labels = (run.array(k) for k in ("path_2d_points", "codes", "codes_labels"))
    if points is None or codes is None or labels is None or codes.shape[1] != 2:
        return None
    figure = scatter_figure(
        run, style, title, codes, labels, ("code 1", "code 2"), height=5.6, named=False
    )
    axes = figure.axes[0]
    stars = np.reshape(points, (-1, 2))
    axes.scatter(
        stars[:, 0],
        stars[:, 1],
        marker="*",
        s=60,
        c=style.ink,
        ec=style.face,
        lw=0.5,
        zorder=3,
        label="decoded points",
    )
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return figure


@section.figure(
    "Samples around the centroids",
    "Class centroids plus Gaussian noise of growing variance, decoded: one row per variance, one "
    "column per class.",
)
def centroid_samples(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `centroid_samples_images` (V, K, C, H, W) and `centroid_samples_variances` (V,)."""
    images, variances = (run.array(f"centroid_samples_{key}") for key in ("images", "variances"))
    if images is None:
        return None
    names = run.names()
    labels = [] if variances is None else [f"variance {value:g}" for value in variances]
    blocks = [
        Block(
            images[:, start : start + _COLUMNS],
            row_labels=labels,
            column_labels=names[start : start + _COLUMNS],
        )
        for start in range(0, images.shape[1], _COLUMNS)
    ]
    return grid_figure(style, title, run.label, blocks)


def _source(run: RunData) -> str:
    # Older metrics do not say; there, only a model with a prior has a bound.
    known = (run.metrics.get("latent") or {}).get("samples_from")
    has_prior = known == "prior" if known else "nelbo" in run.metrics
    fitted = "a Gaussian fitted to the codes of the training images"
    return f"Decoded codes drawn from {'the prior' if has_prior else fitted}."


@section.figure("Samples", _source)
def random_samples(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `random_samples_images` (k, C, H, W)."""
    images = run.array("random_samples_images")
    if images is None:
        return None
    grid, count = wrap(images, COLUMNS if len(images) <= 150 else 20)
    return grid_figure(style, title, run.label, [Block(grid, count=count)])


@section.figure(
    "Nearest training images",
    "Samples above the training images that are nearest to them, with the mean squared error "
    "between the two; then test images in the same way, which cannot be copies. Samples that are "
    "much nearer to training images than test images are would be copies.",
)
def nearest(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `random_samples_images` and `nearest_test_targets` (k, C, H, W).

    And for both, `samples` and `test`: `nearest_<kind>_images` (k, C, H, W), `nearest_<kind>_mse`
    (k,).
    """
    kinds = {"samples": "random_samples_images", "test": "nearest_test_targets"}
    columns = style.across(COLUMNS, 0.55)
    blocks = []
    for kind, name in kinds.items():
        images, found, errors = (
            run.array(key) for key in (name, f"nearest_{kind}_images", f"nearest_{kind}_mse")
        )
        if images is None or found is None or errors is None:
            continue
        shown = min(columns, len(found), len(images))
        what = "sample" if kind == "samples" else "test image"
        block = Block(
            np.stack([images[:shown], found[:shown]]),
            row_labels=[what, "nearest"],
            cell_labels=[*[""] * shown, *(f"{value:.4f}" for value in errors[:shown])],
            title=f"{what}s: mean squared error {errors.mean():.4f} (mean of {len(errors)})",
        )
        blocks.append(block)
    return grid_figure(style, title, run.label, blocks) if blocks else None


@section.figure(
    "A plane of the latent space",
    "Decoded codes in which two dimensions take the values at the edges of the grid, in standard "
    "deviations, and all others stay at their mean.",
)
def latent_grid(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `latent_grid_images` (R, R, C, H, W), `_dims` (2,) and `_values` (R,).

    In image [r, c] dimension `dims[0]` is `values[c]` and `dims[1]` is `values[r]`; row 0 is
    drawn at the bottom, as on a y axis.
    """
    images, dims, values = (run.array(f"latent_grid_{key}") for key in ("images", "dims", "values"))
    if images is None or dims is None or values is None:
        return None
    labels = [f"{value:.2g}".replace("-", "−") for value in values]
    block = Block(
        np.ascontiguousarray(images[::-1]),
        row_labels=labels[::-1],
        column_labels=labels,
        title=f"x: dimension {int(dims[0]) + 1}, y: dimension {int(dims[1]) + 1}",
    )
    return grid_figure(style, title, run.label, [block])


def _one_by_one(run: RunData) -> str:
    by = "KL to the prior, in nats" if "kl_per_dim" in run.metrics else "variance"
    dims, values = run.array("traversals_dims"), run.array("traversals_values")
    text = "Decoded codes in which one dimension varies and all others stay at their mean"
    if values is not None:
        text += f": from −{values[-1]:g} to {values[-1]:g} standard deviations"
    text += f". One row per dimension, in order of its {by}, which stands beside it."
    every = run.metrics.get("latent_dim", 0)
    if dims is not None and len(dims) < every:
        text += f" These are the first {len(dims)} of {every}."
    return text


@section.figure("Traversals of each dimension", _one_by_one)
def traversals(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `traversals_images` (T, R, C, H, W), `_dims`, `_importance` (T,), `_values` (R,)."""
    keys = ("images", "dims", "importance", "values")
    images, dims, importance, values = (run.array(f"traversals_{key}") for key in keys)
    if images is None or dims is None or importance is None or values is None:
        return None
    rows = zip(dims, importance, strict=True)
    block = Block(
        images,
        row_labels=[f"dimension {dim + 1}: {value:.2g}" for dim, value in rows],
        column_labels=[f"{value:.2g}".replace("-", "−") for value in values],
    )
    return grid_figure(style, title, run.label, [block])
