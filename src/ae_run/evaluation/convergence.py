"""Manifold convergence: the model's output fed back as its input, from noise, until it rests.

An autoencoder that contracts pulls every image towards what it has learnt; where iterates stop
moving lies a fixed point of the model.
"""

from typing import Any

import numpy as np
import torch

from ae_run.config import ConvergenceConfig
from ae_run.images import to_uint8
from ae_run.models import Autoencoder
from ae_run.models._base import mse
from ae_run.randomness import generator


def converge(
    options: ConvergenceConfig, model: Autoencoder, seed: int, device: torch.device
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Iterate uniform noise, all starts in one batch, until none moves or the steps are used up.

    A start rests at the first step whose MSE to the step before is less than the threshold; it
    goes on with the others.

    Returns:
        Metrics: for each start the step at which it came to rest, or None. Arrays: `frames`,
        uint8 (starts, T, C, H, W), and `steps` (T,), their numbers: 0, which is the noise,
        1, 2, … 10, 20, … 100, 200, …, and the last.
    """
    shape = (options.starts, *model.image_shape)
    x = torch.rand(shape, generator=generator(seed, "convergence")).to(device)
    frames, steps = [to_uint8(x)], [0]
    rests_at = torch.zeros(options.starts, dtype=torch.long, device=device)  # 0: not yet
    for step in range(1, options.max_steps + 1):
        x, before = model.reconstruct(x), x
        moved = mse(x, before) >= options.threshold
        rests_at = torch.where((rests_at == 0) & ~moved, step, rests_at)
        done = step == options.max_steps or bool((rests_at > 0).all())
        if done or _is_shown(step):
            frames.append(to_uint8(x))
            steps.append(step)
        if done:
            break
    metrics = {
        "threshold": options.threshold,
        "steps": steps[-1],
        "rests_at": [step or None for step in rests_at.tolist()],
    }
    return metrics, {"frames": np.stack(frames, axis=1), "steps": np.array(steps)}


def _is_shown(step: int) -> bool:
    """1, 2, … 10, 20, … 100, 200, …: the first steps change most."""
    return step % int(10 ** (len(str(step)) - 1)) == 0
