"""Rows of images."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ae_run.drawing.image_grid import Block, grid_figure, image_grid, pick, wrap
from ae_run.drawing.run_data import RunData
from ae_run.drawing.style import Style
from ae_run.reports.metrics import dig
from ae_run.reports.results import Found

_MOST = 11
_SNAPSHOTS = 5
_SIDE = 112  # pixels of an image in an animation, about
_FIRST_MS, _FRAME_MS, _LAST_MS = 700, 250, 2500


def draw_corruption(
    found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> Figure | None:
    """Test images under a corruption that grows. Options: `curve`, `examples`, `levels`."""
    run = found[0].first
    inputs, levels = _pictures(run, options["curve"], "inputs"), _levels(run, options["curve"])
    if inputs is None:
        return None
    wanted = options.get("levels")
    shown = [_nearest(levels, level) for level in wanted] if wanted else pick(len(levels), _MOST)
    rows = inputs[list(shown), : int(options.get("examples", 2))].swapaxes(0, 1)
    block = Block(
        rows,
        column_labels=[f"{levels[i]:g}" for i in shown],
        title=str(options["x"]),
    )
    return grid_figure(style, options["title"], "", [block])


def draw_denoised(
    found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> Figure | None:
    """Clean, corrupted and output at one level. Options: `curve`, `level`."""
    run, key = found[0].first, options["curve"]
    inputs, outputs = (_pictures(run, key, end) for end in ("inputs", "outputs"))
    levels = _levels(run, key)
    if inputs is None or outputs is None:
        return None
    at, clean = _nearest(levels, options["level"]), _nearest(levels, 0.0)
    # Of outputs only: pictures of unclipped noise are cut to [0, 1].
    errors = _errors(outputs[at], inputs[clean])
    score = run.metrics["robustness"][key]
    block = Block(
        np.stack([inputs[clean], inputs[at], outputs[at]]),
        row_labels=["clean", "corrupted", "output"],
        cell_labels=[*[""] * 2 * len(errors), *errors],
        title=f"MSE over the test set {score['input_mse'][at]:.4f} → {score['mse'][at]:.4f}; "
        "below, that of each output",
    )
    return grid_figure(style, options["title"], "", [block])


def _errors(images: np.ndarray, clean: np.ndarray) -> list[str]:
    """The MSE of each image (n, C, H, W) as text."""
    squares = ((images.astype(float) - clean) / 255) ** 2
    return [f"{error:.4f}" for error in squares.mean((1, 2, 3))]


def draw_path(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """Decoded paths. Options: `kind`, of the arrays `paths_<kind>_images`; `labels`; `first`."""
    blocks = []
    for index, one in enumerate(found):
        images = one.first.array(f"paths_{options['kind']}_images")
        if images is None:
            return None
        labels = options.get("labels")
        names = one.first.names_of(f"paths_{options['kind']}_labels")
        ends = [f"{a} → {b}" for a, b in zip(names[::2], names[1::2], strict=False)]
        count = int(options.get("first", 1))
        blocks.append(
            Block(
                images[:count],
                row_labels=ends[:count],
                title=str(labels[index]) if labels else "",
            )
        )
    return grid_figure(style, options["title"], "", blocks)


def draw_models(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """Outputs of several models for the same input.

    Options: `inputs`, [[curve, level, text], …]; `labels`.
    """
    labels = list(options.get("labels") or [one.name for one in found])
    blocks = []
    for key, level, text in options["inputs"]:
        rows: list[np.ndarray] = []
        names: list[str] = []
        for one, name in zip(found, labels, strict=True):
            given = _pictures(one.first, key, "inputs")
            output = _pictures(one.first, key, "outputs")
            if given is None or output is None:
                continue
            at = _nearest(_levels(one.first, key), level)
            if not rows:
                rows.append(given[at])
                names.append("input")
            rows.append(output[at])
            names.append(name)
        if rows:
            blocks.append(Block(np.stack(rows), row_labels=names, title=str(text)))
    return grid_figure(style, options["title"], "", blocks) if blocks else None


def draw_inputs(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """Clean test images and the same as the run's corruption shows them."""
    run = found[0].first
    clean, given = (run.array(f"reconstruction_{key}") for key in ("target", "input"))
    if clean is None or given is None:
        return None
    block = Block(np.stack([clean[:10], given[:10]]), row_labels=["clean", "noisy"])
    return grid_figure(style, options["title"], "", [block])


def draw_training(
    found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> Figure | None:
    """The same images while each model trains, between what it is given and what it should give.

    Options: `labels`.
    """
    blocks = []
    for one, label in zip(found, options["labels"], strict=True):
        keys = ("images", "epochs", "input", "target")
        images, epochs, given, target = (one.first.array(f"snapshots_{key}") for key in keys)
        if images is None or epochs is None or given is None or target is None:
            continue
        shown = pick(len(images), _SNAPSHOTS)
        names = ["noisy input", *[f"epoch {int(epoch)}" for epoch in epochs[shown]], "clean"]
        rows = np.concatenate([given[None], images[shown], target[None]])[:, :_MOST]
        blocks.append(Block(rows, row_labels=names, title=label))
    return grid_figure(style, options["title"], "", blocks) if blocks else None


def draw_spread(found: Sequence[Found], options: Mapping[str, Any], style: Style) -> Figure | None:
    """Decodings around the class centroids: by variance, and in units of the codes' spread."""
    run = found[0].first
    blocks = []
    for kind, unit, text in (
        ("samples_images", "samples_variances", "variance {:g}"),
        ("spread_images", "spread_steps", "{:g} sd"),
    ):
        images, values = run.array(f"centroid_{kind}"), run.array(f"centroid_{unit}")
        if images is not None and values is not None:
            labels = [text.format(value) for value in values]
            blocks.append(Block(images, row_labels=labels, column_labels=run.names()))
    if len(blocks) < 2:
        return None
    spread = run.metrics["latent"]["spread"]
    titles = (
        f"noise of growing variance (the codes' own is {spread**2:.0f})",
        f"noise in units of the codes' standard deviation, on average {spread:.1f}",
    )
    blocks = [replace(block, title=title) for block, title in zip(blocks, titles, strict=True)]
    return grid_figure(style, options["title"], "", blocks)


def draw_convergence(
    found: Sequence[Found], options: Mapping[str, Any], style: Style
) -> Figure | None:
    """Outputs fed back as inputs, framed where a start has come to rest by the larger threshold.

    Options: `mark`, that threshold, one of `evaluate.convergence.marks`.
    """
    run = found[0].first
    frames, steps = (run.array(f"convergence_{key}") for key in ("frames", "steps"))
    if frames is None or steps is None:
        return None
    mark = f"{options['mark']:g}"
    rests_at = dig(run.metrics, ["convergence", "rests_at_marks"])[mark]
    marked = [int(np.searchsorted(steps, step)) if step else None for step in rests_at]
    # All frames that are to be marked, and others evenly between them.
    must = {column for column in marked if column is not None}
    shown = sorted(must | set(pick(len(steps), max(2, _MOST - len(must))).tolist()))
    block = Block(
        frames[:, shown],
        column_labels=[str(int(step)) for step in steps[shown]],
        title=f"passes through the model; framed: less than {mark} from the pass before",
    )
    figure = grid_figure(style, options["title"], "", [block])
    boxes = cells(figure.axes[0])
    for row, column in enumerate(marked):
        if column is not None:
            outline(figure.axes[0], boxes[row][shown.index(column)], style.color(4), 1.6)
    return figure


def files_convergence(run: RunData) -> dict[str, bytes]:
    """`convergence.gif`: all starts side by side with the number of passes, endlessly."""
    frames, steps = (run.array(f"convergence_{key}") for key in ("frames", "steps"))
    if frames is None or steps is None:
        return {}
    from PIL import Image, ImageDraw

    scale, columns = max(1, _SIDE // frames.shape[-1]), -(-len(frames) // 2)
    pictures = []
    for at, step in enumerate(steps):
        images, _ = wrap(frames[:, at], columns)
        grid = image_grid(images, 1, 1)[..., :3]
        large = grid.repeat(scale, 0).repeat(scale, 1)
        picture = Image.new("RGB", (large.shape[1], large.shape[0] + 20), "white")
        picture.paste(Image.fromarray(large))
        ImageDraw.Draw(picture).text((4, large.shape[0] + 4), f"pass {int(step)}", "black")
        pictures.append(picture)
    pauses = [_FIRST_MS] * min(3, len(pictures) - 1)
    pauses += [_FRAME_MS] * (len(pictures) - 1 - len(pauses)) + [_LAST_MS]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=pauses, loop=0
    )
    return {"convergence.gif": buffer.getvalue()}


Box = tuple[int, int, int, int]
"""An image's place in a grid: first and last row, first and last column, ends excluded."""


def cells(axes: Axes) -> list[list[Box]]:
    """The places of a grid's images in the axes' data coordinates, row by row."""
    alpha = np.asarray(axes.images[0].get_array())[..., 3] > 0
    rows, columns = (_intervals(np.any(alpha, axis=axis)) for axis in (1, 0))
    return [
        [(*row, *column) for column in columns if alpha[row[0], column[0]]] for row in rows
    ]  # the last row of a grid may not be full


def _intervals(inside: np.ndarray) -> list[tuple[int, int]]:
    """The intervals over which a mask (n,) is true."""
    edges = np.flatnonzero(np.diff(np.pad(inside.astype(int), 1)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def outline(axes: Axes, box: Box, color: str, width: float) -> None:
    """A line around an image of a grid."""
    top, bottom, left, right = box
    corner = (left - 0.5, top - 0.5)
    axes.add_patch(
        Rectangle(corner, right - left, bottom - top, fill=False, ec=color, lw=width, clip_on=False)
    )


def _pictures(run: RunData, key: str, end: str) -> np.ndarray | None:
    """(levels, examples, C, H, W)."""
    return run.array(f"robustness_{key}_{end}")


def _levels(run: RunData, key: str) -> list[float]:
    return [float(level) for level in dig(run.metrics, ["robustness", key, "levels"]) or ()]


def _nearest(levels: Sequence[float], level: float) -> int:
    return int(np.argmin(np.abs(np.array(levels) - float(level))))
