"""The model's output fed back as its input until it rests."""

import io

import numpy as np
from matplotlib.figure import Figure

from ae_run.figures._images import Block, grid_figure, image_grid, pick
from ae_run.figures._run_data import RunData
from ae_run.figures._style import Style

TITLE = "Convergence to the manifold"
CAPTION = (
    "Each row starts from one image and feeds the reconstruction back in, until it moves less "
    "than a threshold; the number of passes stands above. What is left lies on the manifold that "
    "the model has learnt."
)
_STARTS, _FRAMES = 8, 12
_SIDE = 96  # pixels of an image in the animation, about
_FRAME_MS, _LAST_MS = 120, 1500


def draw(run: RunData, style: Style) -> Figure | None:
    """Needs `convergence_frames` (m, T, C, H, W) and `convergence_steps` (T,)."""
    frames, steps = run.array("convergence_frames"), run.array("convergence_steps")
    if frames is None:
        return None
    shown = pick(frames.shape[1], _FRAMES)
    passes = shown if steps is None else steps[shown]
    labels = [str(int(step)) for step in passes]
    block = Block(frames[:_STARTS, shown], column_labels=labels, title="passes through the model:")
    return grid_figure(style, TITLE, run.label, [block])


def files(run: RunData) -> dict[str, bytes]:
    """`convergence.gif`: all starts side by side, one frame per step, endlessly."""
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
