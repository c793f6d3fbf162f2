"""The same test images through several runs: a strip of reconstructions for each."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ae_run.comparison.curves import Named
from ae_run.comparison.paired import arrays
from ae_run.comparison.runs import FoundRun
from ae_run.pages.render import data_uri

_BUDGET = 6_000_000
"""Bytes of all strips together, before compression."""
_KINDS, _PARTS = ("examples", "reconstruction"), ("target", "output")
_FEWEST, _MOST = 8, 100


@dataclass(frozen=True)
class Strip:
    """The reconstructions of a run, side by side in one picture."""

    id: str
    name: str
    source: str
    """A data URI."""
    errors: list[float]
    """MSE of each reconstruction."""


@dataclass(frozen=True)
class Strips:
    """The originals and each run's reconstructions of them."""

    target: str
    """A data URI."""
    count: int
    width: int
    height: int
    """Of one image."""
    runs: list[Strip]
    corrupted: bool
    """Whether a run saw its input corrupted, as in its training."""


def strips(runs: Sequence[FoundRun], lines: Sequence[Named]) -> Strips | None:
    """The first test images through all runs that keep them; None where no run does.

    Of the runs' own files; runs whose images differ from those of the first are left out.
    """
    kept = [(run, line, *_examples(run)) for run, line in zip(runs, lines, strict=True)]
    found = [one for one in kept if one[2].size]
    if not found:
        return None
    target = found[0][2]
    per_run = _BUDGET // (len(found) * target[0].size)
    count = min(max(per_run, _FEWEST), _MOST, *(len(one[2]) for one in found))
    target = target[:count]
    same = [one for one in found if np.array_equal(one[2][:count], target)]
    return Strips(
        _picture(target),
        count,
        target.shape[-1],
        target.shape[-2],
        [
            Strip(line.id, line.name, _picture(output[:count]), _errors(output[:count], target))
            for _, line, _, output in same
        ],
        any(run.value("corruption.name") != "none" for run, *_ in same),
    )


def _examples(run: FoundRun) -> tuple[np.ndarray, np.ndarray]:
    """Targets and reconstructions of the first test images, uint8 (n, C, H, W); older runs keep
    fewer of them; empty where a run keeps none.
    """
    found = arrays(run.folder, *(f"{kind}_{what}" for kind in _KINDS for what in _PARTS))
    for kind in _KINDS:
        target, output = found.get(f"{kind}_target"), found.get(f"{kind}_output")
        if target is not None and output is not None and target.shape == output.shape:
            if output.dtype != np.uint8:
                output = np.round(255 * output.astype(np.float32).clip(0, 1)).astype(np.uint8)
            return target, output
    return np.empty(0), np.empty(0)


def _errors(output: np.ndarray, target: np.ndarray) -> list[float]:
    difference = (output.astype(np.float32) - target) / 255
    return [float(f"{one:.4g}") for one in np.square(difference).mean(axis=(1, 2, 3))]


def _picture(images: np.ndarray) -> str:
    """Images (n, C, H, W) side by side in one PNG."""
    from PIL import Image

    pixels = np.concatenate(list(images.transpose(0, 2, 3, 1)), axis=1)
    whole = pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels[..., :3]
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "PNG")
    return data_uri("image/png", buffer.getvalue())
