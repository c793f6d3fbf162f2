"""The contract of a corruption."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ae_run import corruptions
from ae_run.randomness import GeneratorNoise, KeyedNoise, Noise
from ae_run.schema import CorruptionConfig
from ae_run.testing.setup import SHAPES, Broken, Shape, check_each, configured, require

_COUNT = 7
_TYPES = (torch.float32, torch.float64)
_TOLERANCE = 1e-5


class WithoutData:
    """Noise without data: to read a value of it, or of what is made of it, raises."""

    def uniform(self, like: Tensor, *shape: int) -> Tensor:
        """See `Noise`."""
        return torch.empty(len(like), *shape, device=like.device, dtype=like.dtype)

    normal = uniform


def check_corruption(*overrides: str, shapes: Sequence[Shape] = SHAPES) -> None:
    """Try a corruption as training and robustness curves use it.

    Args:
        overrides: of a command line: `"corruption=fade"`, `"code=my_code"`.
        shapes: (C, H, W) of the images to try it on.

    Raises:
        Broken: it does not keep the contract; says for which images, and how.
        UserError: it cannot be configured or imported.
    """
    with configured(*overrides) as config:
        check_each(CHECKS, config.corruption, shapes)


def images(shape: Shape, count: int = _COUNT, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images (N, C, H, W) in [0, 1], black and white pixels among them."""
    source = torch.Generator().manual_seed(1)
    return torch.rand(count, *shape, generator=source, dtype=dtype).mul(1.4).sub(0.2).clamp(0, 1)


def keys(count: int = _COUNT) -> Tensor:
    """Keys of images, (N,)."""
    return torch.randint(2**62, (count,), generator=torch.Generator().manual_seed(2))


def keyed(count: int = _COUNT) -> KeyedNoise:
    """Noise that each image keeps."""
    return KeyedNoise(keys(count))


def drawn() -> GeneratorNoise:
    """Noise that is drawn for a batch."""
    return GeneratorNoise(torch.Generator().manual_seed(0))


_NOISES: tuple[Callable[[], Noise], ...] = (keyed, drawn)


def has_a_level_whose_0_is_the_identity(config: CorruptionConfig, shape: Shape) -> None:
    """`LEVEL` is an option, and at 0 images stay as they are."""
    level, fields = corruptions.level_name(config), type(config).model_fields
    known = level in fields or config.name == "none"
    require(known, f"LEVEL is {level}, which is none of its options")
    off = corruptions.build(corruptions.at_level(config, 0))
    for dtype in _TYPES:
        x = images(shape, dtype=dtype)
        for noise in _NOISES:
            require(torch.equal(off(x, noise()), x), "level 0 changes images")


def keeps_its_input_shape_type_and_range(config: CorruptionConfig, shape: Shape) -> None:
    """Another tensor of the same shape and type, with pixels in [0, 1]."""
    corrupt = corruptions.build(config)
    for dtype in _TYPES:
        x = images(shape, dtype=dtype)
        for noise in _NOISES:
            before, found = x.clone(), corrupt(x, noise())
            require(torch.equal(x, before), "it changes its input in place")
            require(found.shape == x.shape, f"gives {tuple(found.shape)}; must be {tuple(x.shape)}")
            require(found.dtype == x.dtype, f"gives {found.dtype}; must be {x.dtype}")
            within = bool(found.min() >= 0 and found.max() <= 1)
            require(within, "gives pixels outside of [0, 1]")


def repeats_with_the_same_noise(config: CorruptionConfig, shape: Shape) -> None:
    """All that is random comes from the noise, which can be rewound."""
    corrupt, x = corruptions.build(config), images(shape)
    for noise in _NOISES:
        same = torch.equal(corrupt(x, noise()), corrupt(x, noise()))
        require(same, "the same noise gives other images")
    kept = keyed()
    first = corrupt(x, kept).clone()
    kept.rewind()
    require(torch.equal(corrupt(x, kept), first), "the same noise, rewound, gives other images")


def corrupts_an_image_alike_in_every_batch(config: CorruptionConfig, shape: Shape) -> None:
    """Alone or among others, with its own key an image is corrupted alike."""
    corrupt, x, every = corruptions.build(config), images(shape), keys()
    together = corrupt(x, KeyedNoise(every))
    for part in (*(slice(i, i + 1) for i in range(_COUNT)), slice(2, 5)):
        same = torch.equal(corrupt(x[part], KeyedNoise(every[part])), together[part])
        require(same, "an image is corrupted otherwise alone than in a batch")


def agrees_in_float64(config: CorruptionConfig, shape: Shape) -> None:
    """Images of float32 and float64 are corrupted alike."""
    corrupt, x = corruptions.build(config), images(shape, dtype=torch.float64)
    difference = corrupt(x, keyed()) - corrupt(x.float(), keyed()).double()
    close = bool(difference.abs().max() < _TOLERANCE)
    require(close, "float64 images are corrupted otherwise")


def reads_nothing_back_from_the_device(config: CorruptionConfig, shape: Shape) -> None:
    """Tensors without data go through: a value, or a shape that depends on one, is not read."""
    x = torch.empty(_COUNT, *shape, device="meta")
    try:
        found = corruptions.build(config)(x, WithoutData())
    except Exception as error:
        raise Broken(f"it reads a value back from the device: {error}") from None
    there = found.device.type == "meta" and found.shape == x.shape
    require(there, "it moves images to another device, or changes their shape by their values")


CHECKS: tuple[Callable[[CorruptionConfig, Shape], None], ...] = (
    keeps_its_input_shape_type_and_range,
    has_a_level_whose_0_is_the_identity,
    repeats_with_the_same_noise,
    corrupts_an_image_alike_in_every_batch,
    agrees_in_float64,
    reads_nothing_back_from_the_device,
)
