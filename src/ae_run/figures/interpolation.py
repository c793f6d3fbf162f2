"""Decoded paths between two codes."""

from collections.abc import Iterator

from matplotlib.figure import Figure

from ae_run.figures._images import Block, grid_figure, pick
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style, plain

TITLE = "Paths through the latent space"
CAPTION = (
    "Evenly spaced steps between two codes, decoded. The ends are class centroids, or the codes "
    "of two test images; spherical paths keep to the shell where a VAE's codes lie."
)
_KINDS = {
    "centroids": "between class centroids",
    "images": "between test images, straight",
    "spherical": "between test images, spherical",
    "quantiles": "across the training codes",
}
_PATHS, _STEPS = 6, 13


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `paths_<kind>_images` (P, S, C, H, W) and `paths_<kind>_labels` (P, 2).

    The kinds are `centroids`, `images`, `spherical`, and without labels `quantiles`.
    """
    blocks = list(_blocks(run))
    return grid_figure(style, TITLE, run.label, blocks) if blocks else None


def _blocks(run: RunData) -> Iterator[Block]:
    for kind, title in _KINDS.items():
        images = run.array(f"paths_{kind}_images")
        if images is None:
            continue
        images = images[:_PATHS]
        names = [plain(name, 10) for name in run.names_of(f"paths_{kind}_labels")]
        ends = list(zip(names[::2], names[1::2], strict=False))[: len(images)]
        yield Block(
            images[:, pick(images.shape[1], _STEPS)],
            row_labels=[f"{start} → {end}" for start, end in ends],
            title=title,
        )
