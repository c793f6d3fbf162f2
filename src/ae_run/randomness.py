"""Random numbers: generators for training, keyed noise for evaluation.

Training draws from generators seeded by (seed, purpose, epoch), so that an epoch can be
repeated without storing generator states. Evaluation derives noise from the image itself, so
that every model sees the same corrupted image, whatever the batch, the device or the subset.
"""

import hashlib
import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor


def derive_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A 63-bit seed for one purpose and epoch of a run."""
    digest = hashlib.blake2b(f"{seed}/{purpose}/{epoch}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(
    seed: int, purpose: str, epoch: int = 0, device: str | torch.device = "cpu"
) -> torch.Generator:
    """A generator for one purpose and epoch of a run."""
    return torch.Generator(device).manual_seed(derive_seed(seed, purpose, epoch))


class Noise(Protocol):
    """A source of random numbers for a batch of images."""

    def uniform(self, like: Tensor, *shape: int) -> Tensor:
        """`(B, *shape)` numbers in [0, 1) on the device and of the dtype of `like` `(B, …)`."""

    def normal(self, like: Tensor, *shape: int) -> Tensor:
        """`(B, *shape)` standard normal numbers."""


class GeneratorNoise:
    """Fresh noise on every call, from one generator on the images' device."""

    def __init__(self, source: torch.Generator) -> None:
        self._source = source

    def uniform(self, like: Tensor, *shape: int) -> Tensor:
        """See `Noise`."""
        return torch.rand(
            (like.shape[0], *shape), generator=self._source, device=like.device, dtype=like.dtype
        )

    def normal(self, like: Tensor, *shape: int) -> Tensor:
        """See `Noise`."""
        return torch.randn(
            (like.shape[0], *shape), generator=self._source, device=like.device, dtype=like.dtype
        )


def image_keys(images: np.ndarray) -> Tensor:
    """A 63-bit key per uint8 image `(N, C, H, W)`, from its bytes: `(N,)` int64."""
    rows = np.ascontiguousarray(images)
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in rows)
    return torch.from_numpy(np.frombuffer(digests, dtype=np.int64) & np.int64(2**63 - 1))


class KeyedNoise:
    """Noise that depends only on (seed, image), not on the batch.

    A counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as
    1, 2, 3") with the mixing function of SplitMix64 (Steele et al. 2014): integer arithmetic
    on whole batches, without a loop over images. The n-th call draws the n-th stream; after
    `rewind`, the same calls return the same numbers from memory. The bits and the uniform
    numbers are the same on every device; normal numbers go through log and cos, which devices
    round differently in the last digit.
    """

    def __init__(self, keys: Tensor, seed: int = 0) -> None:
        self._keys = keys
        self._seed = seed
        self._calls = 0
        self._drawn: dict[tuple[int, str, tuple[int, ...], torch.dtype], Tensor] = {}

    def rewind(self) -> None:
        """Start again with the first stream."""
        self._calls = 0

    def uniform(self, like: Tensor, *shape: int) -> Tensor:
        """See `Noise`; multiples of 2⁻²⁴, the same in float32 and float64."""
        return self._draw("uniform", like, shape)

    def normal(self, like: Tensor, *shape: int) -> Tensor:
        """See `Noise`; by the Box–Muller transform, so none exceeds 5.8 in magnitude."""
        return self._draw("normal", like, shape)

    def _draw(self, kind: str, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        self._calls += 1
        key = (self._calls, kind, shape, like.dtype)
        if key not in self._drawn:
            bits = self._bits(self._calls, math.prod(shape))
            numbers = _unit(bits, 40, like.dtype)
            if kind == "normal":
                radius = torch.log1p(-numbers).mul_(-2).sqrt_()
                # The next 24 bits of the same 64: independent of the first, at no extra cost.
                numbers = _unit(bits, 16, like.dtype).mul_(2 * math.pi).cos_().mul_(radius)
            self._drawn[key] = numbers.reshape(len(self._keys), *shape)
        return self._drawn[key]

    def _bits(self, stream: int, count: int) -> Tensor:
        """64 random bits per image and position: int64 (B, count)."""
        key = _mix(self._keys ^ derive_seed(self._seed, "image-noise", stream))
        counter = torch.arange(count, device=self._keys.device, dtype=torch.int64)
        return _mix(key[:, None] + counter * _GAMMA)


def _unit(bits: Tensor, shift: int, dtype: torch.dtype) -> Tensor:
    """Numbers in [0, 1) from the 24 bits starting at `shift`."""
    return ((bits >> shift) & (2**24 - 1)).to(dtype).mul_(2.0**-24)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


# Constants of SplitMix64, as int64. Sums and products wrap around at 2⁶⁴, as in the original.
_GAMMA = _signed(0x9E3779B97F4A7C15)
_M1 = _signed(0xBF58476D1CE4E5B9)
_M2 = _signed(0x94D049BB133111EB)


def _mix(bits: Tensor) -> Tensor:
    """The finalizer of SplitMix64, a bijection on 64 bits."""
    bits = _shift_xor(bits, 30).mul_(_M1)
    bits = _shift_xor(bits, 27).mul_(_M2)
    return _shift_xor(bits, 31)


def _shift_xor(bits: Tensor, n: int) -> Tensor:
    # int64 shifts fill with the sign bit from the left; the mask clears it.
    return (bits >> n).bitwise_and_(2 ** (64 - n) - 1).bitwise_xor_(bits)
