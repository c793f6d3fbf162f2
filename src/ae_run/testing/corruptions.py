"""The contract of a corruption."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ae_run import corruptions
from ae_run.randomness import GeneratorNoise, KeyedNoise, Noise
from ae_run.schema import CorruptionConfig
from ae_run.testing.setup import SHAPES, Broken, configured, require

_COUNT = 7


class WithoutData:
    """Noise without data: to read a value of it, or of what is made of it, raises."""

    def uniform(self, like: Tensor, *shape: int) -> Tensor:
        """See `Noise`."""
        return torch.empty(len(like), *shape, device=like.device, dtype=like.dtype)

    normal = uniform


def check_corruption(*overrides: str, shapes: Sequence[tuple[int, int, int]] = SHAPES) -> None:
    """Try a corruption as training and robustness curves use it.

    Args:
        overrides: of a command line: `"corruption=fade"`, `"code=my_code"`.
        shapes: (C, H, W) of the images to try it on.

    Raises:
        Broken: it does not keep the contract; says for which images, and how.
        UserError: it cannot be configured or imported.
    """
    with configured(*overrides) as config:
        for shape in shapes:
            try:
                _check(config.corruption, shape)
            except Broken as error:
                size = " × ".join(map(str, shape))
                name = config.corruption.name
                raise Broken(f"{name}, images of {size}: {error}") from None


def _check(config: CorruptionConfig, shape: tuple[int, int, int]) -> None:
    level, fields = corruptions.level_name(config), type(config).model_fields
    known = level in fields or config.name == "none"
    require(known, f"LEVEL is {level}, which is none of its options")
    x = images(shape)
    corrupt, off = corruptions.build(config), corruptions.build(corruptions.at_level(config, 0))
    for noise in (keyed, drawn):
        require(torch.equal(off(x, noise()), x), "level 0 changes images")
        before, found = x.clone(), corrupt(x, noise())
        require(torch.equal(x, before), "it changes its input in place")
        require(found.shape == x.shape, f"gives {tuple(found.shape)}; must be {tuple(x.shape)}")
        require(found.dtype == x.dtype, f"gives {found.dtype}; must be {x.dtype}")
        within = bool(found.min() >= 0 and found.max() <= 1)
        require(within, "gives pixels outside of [0, 1]")
        require(torch.equal(corrupt(x, noise()), found), "the same noise gives other images")
    keys, together = some_keys(), corrupt(x, keyed())
    for i in range(_COUNT):
        alone = corrupt(x[i : i + 1], KeyedNoise(keys[i : i + 1]))
        same = torch.equal(alone[0], together[i])
        require(same, "an image is corrupted otherwise alone than in a batch")
    difference = corrupt(x.double(), keyed()) - together.double()
    require(bool(difference.abs().max() < 1e-5), "float64 images are corrupted otherwise")
    without = torch.empty(_COUNT, *shape, device="meta")
    try:
        corrupt(without, WithoutData())
    except Exception as error:
        raise Broken(f"it reads a value back from the device: {error}") from None


def images(shape: tuple[int, int, int]) -> Tensor:
    """Images (N, C, H, W) in [0, 1], black and white pixels among them."""
    source = torch.Generator().manual_seed(1)
    return torch.rand(_COUNT, *shape, generator=source).mul(1.4).sub(0.2).clamp(0, 1)


def some_keys() -> Tensor:
    """Keys of the images, (N,)."""
    return torch.randint(2**62, (_COUNT,), generator=torch.Generator().manual_seed(2))


def keyed() -> Noise:
    """Noise that an image keeps."""
    return KeyedNoise(some_keys())


def drawn() -> Noise:
    """New noise."""
    return GeneratorNoise(torch.Generator().manual_seed(0))
