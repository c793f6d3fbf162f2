"""Data, reconstructions, denoising, errors and manifold convergence."""

import io
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ae_run.drawing.image_grid import COLUMNS, Block, grid_figure, image_grid, wrap
from ae_run.drawing.run_data import RunData, floats
from ae_run.drawing.style import Style, plain
from ae_run.drawing.words import axis, level
from ae_run.figures._section import Section

section = Section("Reconstruction")

_SCORES = {"snr_db": ("SNR", "dB"), "psnr_db": ("PSNR", "dB"), "ssim": ("SSIM", "")}
_STARTS, _FRAMES = 8, 12
_LABELLED = 0.55  # inches of a narrow figure's width for each image with a number
_SIDE = 96  # pixels of an image in the animation, about
_FRAME_MS, _LAST_MS = 120, 1500


@section.figure(
    "Data",
    "Images of the data set with their classes, as the model sees them.",
)
def samples(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `samples_images` (k, C, H, W) and `samples_labels` (k,)."""
    images, labels = run.array("samples_images"), run.array("samples_labels")
    if images is None:
        return None
    order = np.arange(len(images)) if labels is None else np.argsort(labels, kind="stable")
    names = run.names_of("samples_labels")
    grid, count = wrap(images[order], COLUMNS if len(images) <= 150 else 20)
    block = Block(
        grid,
        count=count,
        cell_labels=[names[i] for i in order] if names else (),
        cell_colors=[] if labels is None else [style.text_color(int(labels[i])) for i in order],
    )
    return grid_figure(style, title, run.label, [block])


def _shown(run: RunData) -> str:
    if _given(run) is None:
        return "Test images and their reconstructions."
    return "Test images, the corrupted input that the model is given, and its reconstructions."


@section.figure("Reconstructions", _shown)
def reconstructions(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `reconstruction_target` and `_output` (k, C, H, W); `_input` where it differs."""
    target, output = run.array("reconstruction_target"), run.array("reconstruction_output")
    if target is None or output is None:
        return None
    rows = {"original": target, "reconstruction": output}
    given = _given(run)
    if given is not None:
        rows = {"original": target, "input": given, "reconstruction": output}
    names = run.names_of("reconstruction_labels")
    columns = style.across(COLUMNS, _LABELLED)
    blocks = [
        Block(
            np.stack([images[start : start + columns] for images in rows.values()]),
            row_labels=list(rows),
            column_labels=names[start : start + columns],
        )
        for start in range(0, len(target), columns)
    ]
    return grid_figure(style, title, run.label, blocks)


def _given(run: RunData) -> np.ndarray | None:
    """The corrupted input of the reconstructions, where it differs from the images."""
    target, given = run.array("reconstruction_target"), run.array("reconstruction_input")
    same = target is None or given is None or np.array_equal(given, target)
    return None if same else given


def _noise(run: RunData) -> str:
    """The corruption that a run is trained with, and its level; empty without one."""
    trained = run.metrics.get("denoising")
    if not trained:
        return ""
    name = str(trained.get("corruption", "corruption")).replace("_", " ")
    return f"{name}, {trained.get('level_name', 'level')} {trained.get('level', 0):g}"


def _denoised(run: RunData) -> str:
    filtered = ""
    if run.array("denoisers_output") is not None:
        filtered = f" the output of the best classical denoiser ({_best_denoiser(run)}),"
    return (
        f"Corrupted input,{filtered} the model's output and the clean image. Below each image: its "
        "signal-to-noise ratio against the clean image. In the heading: means over the test set, "
        "before and after."
    )


def _best_denoiser(run: RunData) -> str:
    return str((run.metrics.get("denoisers") or {}).get("best", "filter")).replace("_", " ")


@section.figure("Denoising", _denoised)
def denoising(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `denoising` in the metrics and `reconstruction_{target,input,output}`.

    `denoisers_output` (k, C, H, W), if any, is that of the best classical denoiser.
    """
    scores = run.metrics.get("denoising")
    arrays = [run.array(f"reconstruction_{key}") for key in ("input", "output", "target")]
    columns = style.across(COLUMNS, _LABELLED)
    given, output, target = (None if a is None else a[:columns] for a in arrays)
    if not scores or given is None or output is None or target is None:
        return None
    rows = {"corrupted": given, "output": output}
    filtered = run.array("denoisers_output")
    if filtered is not None and len(filtered) >= len(target):
        best = plain(_best_denoiser(run), 16)
        rows = {"corrupted": given, best: filtered[:columns], "output": output}
    ratios = [ratio for images in rows.values() for ratio in _snr(images, target)]
    block = Block(
        np.stack([*rows.values(), target]),
        row_labels=[*rows, "clean"],
        cell_labels=[*ratios, *[""] * len(target)],
        title=_summary(scores),
    )
    return grid_figure(style, title, run.label, [block])


def _snr(images: np.ndarray, clean: np.ndarray) -> list[str]:
    """Signal-to-noise ratio in dB of (k, C, H, W) images against clean ones."""
    signal = (clean / 255.0) ** 2
    noise = (images / 255.0 - clean / 255.0) ** 2
    pixels = (1, 2, 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(signal.sum(axis=pixels) / noise.sum(axis=pixels))
    return [f"{value:.1f} dB".replace("-", "−") if np.isfinite(value) else "" for value in ratio]


def _summary(scores: dict[str, Any]) -> str:
    parts = []
    for key, (name, unit) in _SCORES.items():
        before, after = (scores.get(side, {}).get(key) for side in ("input", "output"))
        if before is not None and after is not None:
            digits = 1 if unit else 3
            parts.append(f"{name} {before:.{digits}f} → {after:.{digits}f} {unit}".rstrip())
    strength = f"{scores.get('level_name', 'level')} {scores['level']:g}"
    return plain(f"{scores.get('corruption', '')}, {strength}: {', '.join(parts)}", 120)


@section.figure(
    "Denoising by level",
    "Scores against the clean image of the output, of the corrupted input (dashed) and of PCA; the "
    "dotted line marks the level used in training. Higher is better.",
)
def denoising_levels(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `denoising`, and the curve that it names in `robustness`, in the metrics."""
    trained: dict[str, Any] = run.metrics.get("denoising") or {}
    curve = (run.metrics.get("robustness") or {}).get(trained.get("curve"))
    shown = [key for key in _SCORES if curve and key in curve and f"input_{key}" in curve]
    if not curve or not shown:
        return None
    columns = style.across(len(shown), 2.4)
    rows = -(-len(shown) // columns)
    figure = style.figure(3.0 * columns + 0.3, 2.6 * rows + 0.7, title, run.label)
    panels = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in panels[len(shown) :]:
        axes.axis("off")
    for axes, key in zip(panels, shown, strict=False):
        levels, before = floats(curve["levels"]), floats(curve[f"input_{key}"])
        if _SCORES[key][1] == "dB":
            before[levels == 0] = np.nan  # no noise: infinitely many decibels
        axes.plot(levels, floats(curve[key]), "o-", ms=3.5, color=style.color(0), label="output")
        if f"pca_{key}" in curve:
            of_pca = floats(curve[f"pca_{key}"])
            axes.plot(levels, of_pca, "s-", ms=3, color=style.color(1), label="PCA")
        axes.plot(levels, before, "--", color=style.muted, label="corrupted input")
        axes.axvline(trained["level"], color=style.ink, ls=":", lw=1, label="trained at")
        axes.set(ylabel=axis(key), xlabel=plain(level(trained), 44))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _worst(run: RunData) -> str:
    given = "from the corrupted input" if run.array("worst_input") is not None else ""
    if _noise(run) and not given:
        given = "from clean input"
    return (
        f"The test images with the largest mean squared error {given}".rstrip() + ", worst first, "
        "each with its error per pixel: unusual images, wrong labels and details that the code "
        "cannot hold."
    )


@section.figure("Worst reconstructions", _worst)
def worst(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `worst_target`, `worst_output` (k, C, H, W); `worst_mse` (k,) per pixel.

    `worst_input` (k, C, H, W), if any, is the corrupted input.
    """
    target, output, mse = (run.array(f"worst_{key}") for key in ("target", "output", "mse"))
    if target is None or output is None:
        return None
    errors = [] if mse is None else [f"{value:.4f}" for value in mse]
    given = run.array("worst_input")
    rows = {"original": target, "reconstruction": output}
    if given is not None:
        rows = {"original": target, "input": given, "reconstruction": output}
    columns = style.across(COLUMNS, _LABELLED)
    blocks = [
        Block(
            np.stack([images[start : start + columns] for images in rows.values()]),
            row_labels=list(rows),
            column_labels=errors[start : start + columns],
            title="mean squared error (per pixel):" if errors and start == 0 else "",
        )
        for start in range(0, len(target), columns)
    ]
    return grid_figure(style, title, run.label, blocks)


def _compared(run: RunData) -> str:
    kinds = " for each kind of input" if run.array("denoising_output_mse") is not None else ""
    text = f"Mean squared error of every test image{kinds}; the solid lines mark the means"
    if run.score("baseline", "pca", "mse") is None:
        return f"{text}."
    return (
        f"{text}, the dashed ones those of PCA with as many components as the code has dimensions."
    )


@section.figure("Errors", _compared)
def error_histogram(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `test_mse` (N,) per pixel; `denoising_output_mse` (N,), if any, comes first."""
    own, clean = run.array("denoising_output_mse"), run.array("test_mse")
    pca = run.score("baseline", "pca", "mse")
    rows = [(_noise(run) or "corrupted", own, run.score("denoising", "pca", "mse"))]
    rows += [("clean input", clean, pca)]
    shown = [
        (name, finite, of_pca)
        for name, errors, of_pca in rows
        if errors is not None and len(finite := errors[np.isfinite(errors)])
    ]
    if not shown:
        return None
    figure = style.figure(6, 2.9, title, run.label)
    axes = figure.subplots()
    # The few worst images would squeeze all others into a corner.
    right = max(float(np.quantile(errors, 0.995)) for _, errors, _ in shown) * 1.1 or 1.0
    bins = int(np.clip(np.sqrt(len(shown[0][1])) * 1.5, 10, 80))
    for index, (name, errors, of_pca) in enumerate(shown):
        which, color = f"{name}: " if len(shown) > 1 else "", style.color(index)
        axes.hist(np.minimum(errors, right), bins=bins, range=(0, right), color=color, alpha=0.6)
        mean = errors.mean()
        axes.axvline(mean, color=style.text_color(index), label=f"{which}mean {mean:.4f}")
        if of_pca is not None:
            label = f"{which}PCA {of_pca:.4f} (mean)"
            axes.axvline(of_pca, color=style.text_color(index), ls="--", label=label)
    hidden = sum(int((errors > right).sum()) for _, errors, _ in shown)
    note = f"\nthe last bin includes {hidden} beyond the axis" if hidden else ""
    axes.set(xlabel=f"mean squared error of an image (per pixel){note}", ylabel="test images")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _animation(run: RunData) -> dict[str, bytes]:
    """`convergence.gif`: all starts side by side, one frame per step, in a loop."""
    frames = run.array("convergence_frames")
    if frames is None:
        return {}
    from PIL import Image

    frames = frames[:_STARTS]
    scale = max(1, round(_SIDE / max(frames.shape[-2:])))
    gap = max(1, round(4 / scale))
    pictures = []
    for step in range(frames.shape[1]):
        grid = image_grid(frames[None, :, step], 0, gap)[..., :3]
        large = np.repeat(np.repeat(grid, scale, axis=0), scale, axis=1)
        pictures.append(Image.fromarray(large))
    buffer = io.BytesIO()
    durations = [_FRAME_MS] * (len(pictures) - 1) + [_LAST_MS]
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0
    )
    return {"convergence.gif": buffer.getvalue()}


@section.figure(
    "Convergence to the manifold",
    "Each row starts from random noise and repeatedly feeds the output back in until it stops "
    "changing; the number above each column counts the passes. What remains lies on the manifold "
    "that the model has learned.",
    files=_animation,
)
def convergence(run: RunData, style: Style, title: str) -> Figure | None:
    """Needs `convergence_frames` (m, T, C, H, W) and `convergence_steps` (T,)."""
    frames, steps = run.array("convergence_frames"), run.array("convergence_steps")
    if frames is None:
        return None
    passes = np.arange(frames.shape[1]) if steps is None else steps
    # The first passes change most: evenly on a logarithmic scale.
    wanted = np.geomspace(1, 1 + passes[-1], _FRAMES) - 1
    shown = np.unique([int(np.abs(passes - step).argmin()) for step in wanted])
    labels = [str(int(step)) for step in passes[shown]]
    block = Block(frames[:_STARTS, shown], column_labels=labels, title="passes through the model:")
    return grid_figure(style, title, run.label, [block])
