"""Manifold convergence: from noise, feed the output back as input until it stops changing.

A contracting autoencoder pulls every image towards what it has learned; where the iterates stop
changing is a fixed point of the model.
"""

from typing import Any

import numpy as np
import torch

from ae_run.evaluation_config import ConvergenceConfig
from ae_run.images import to_uint8
from ae_run.models import Autoencoder, mse
from ae_run.randomness import generator


def converge(
    options: ConvergenceConfig, model: Autoencoder, seed: int, device: torch.device
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Iterate uniform noise, all starts in one batch, until none changes or the steps run out.

    A start is at rest from the first step whose MSE to the previous one is below the threshold;
    it is iterated further with the others.

    Returns:
        Metrics: for each start the step at which it came to rest, or None, by the threshold and by
        each of the `marks`. Arrays: `frames`, uint8 (starts, T, C, H, W), and their step numbers
        `steps` (T,): 0 (the noise), 1, 2, … 10, 20, … 100, 200, …, and the last.
    """
    shape = (options.starts, *model.image_shape)
    x = torch.rand(shape, generator=generator(seed, "convergence")).to(device)
    frames, steps = [to_uint8(x)], [0]
    never = torch.zeros(options.starts, dtype=torch.long, device=device)
    rests_at = dict.fromkeys((options.threshold, *options.marks), never)
    for step in range(1, options.max_steps + 1):
        x, before = model.reconstruct(x), x
        moved = mse(x, before)
        for threshold, steps_at in rests_at.items():
            rests = (steps_at == 0) & (moved < threshold)
            rests_at[threshold] = torch.where(rests, step, steps_at)
        done = step == options.max_steps or bool((rests_at[options.threshold] > 0).all())
        if done or _is_shown(step):
            frames.append(to_uint8(x))
            steps.append(step)
        if done:
            break
    metrics = {
        "threshold": options.threshold,
        "steps": steps[-1],
        "rests_at": _steps(rests_at[options.threshold]),
        "rests_at_marks": {f"{mark:g}": _steps(rests_at[mark]) for mark in options.marks},
    }
    return metrics, {"frames": np.stack(frames, axis=1), "steps": np.array(steps)}


def _steps(rests_at: torch.Tensor) -> list[int | None]:
    return [step or None for step in rests_at.tolist()]


def _is_shown(step: int) -> bool:
    """True for 1, 2, … 10, 20, … 100, 200, …: the first steps change most."""
    return step % int(10 ** (len(str(step)) - 1)) == 0
