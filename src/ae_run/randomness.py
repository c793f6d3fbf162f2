"""Where random numbers come from.

Training draws from generators seeded by (seed, purpose, epoch), so that an epoch can be
repeated without storing any generator's state. Evaluation draws from the image itself, so
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


def generator(seed: int, purpose: str, epoch: int = 0, device: str | torch.device = "cpu") -> (
    torch.Generator
):  # fmt: skip
    """A generator for one purpose and epoch of a run."""
    return torch.Generator(device).manual_seed(derive_seed(seed, purpose, epoch))


class Noise(Protocol):
    """A source of random numbers for a batch of images."""

    def uniform(self, like: Tensor, *shape: int) -> Tensor:
        """`(B, *shape)` numbers in [0, 1) on the device and in the type of `like` `(B, …)`."""

    def normal(self, like: Tensor, *shape: int) -> Tensor:
        """`(B, *shape)` standard normal numbers."""


class GeneratorNoise:
    """New noise at every call, from one generator on the images' device."""

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
    """Noise that depends on (seed, image) alone: the same numbers on every device.

    A counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as
    1, 2, 3") with the mixing function of SplitMix64 (Steele et al. 2014): integer arithmetic
    on whole batches, and no loop over images. The n-th call draws the n-th stream; after
    `rewind` the same calls draw the same numbers, from memory.
    """

    def __init__(self, keys: Tensor, seed: int = 0) -> None:
        self._keys = keys
        self._seed = seed
        self._calls = 0
        self._drawn: dict[tuple[int, str, tuple[int, ...]], Tensor] = {}

    def rewind(self) -> None:
        """Start again with the first stream."""
        self._calls = 0

    def uniform(self, like: Tensor, *shape: int) -> Tensor:
        """See `Noise`."""
        return self._draw("uniform", like, shape)

    def normal(self, like: Tensor, *shape: int) -> Tensor:
        """See `Noise`; by the Box–Muller transform."""
        return self._draw("normal", like, shape)

    def _draw(self, kind: str, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        self._calls += 1
        known = self._drawn.get((self._calls, kind, shape))
        if known is not None:
            return known
        numbers = self._uniform(2 * self._calls, like, shape)
        if kind == "normal":
            radius = torch.sqrt(-2.0 * torch.log1p(-numbers))
            angle = 2.0 * math.pi * self._uniform(2 * self._calls + 1, like, shape)
            numbers = radius * torch.cos(angle)
        self._drawn[self._calls, kind, shape] = numbers
        return numbers

    def _uniform(self, number: int, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        stream = derive_seed(self._seed, "image-noise", number)
        count = math.prod(shape)
        counter = torch.arange(count, device=self._keys.device, dtype=torch.int64)
        key = _mix(self._keys ^ stream)
        bits = _mix(key[:, None] + counter[None, :] * _GAMMA)  # (B, count)
        numbers: Tensor = _logical_shift(bits, 40).to(like.dtype) * 2.0**-24
        return numbers.reshape(like.shape[0], *shape)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


_GAMMA = _signed(0x9E3779B97F4A7C15)
_M1 = _signed(0xBF58476D1CE4E5B9)
_M2 = _signed(0x94D049BB133111EB)


def _logical_shift(bits: Tensor, n: int) -> Tensor:
    """Shift int64 right by n bits, filling with zeros."""
    return (bits >> n) & (2 ** (64 - n) - 1)


def _mix(bits: Tensor) -> Tensor:
    bits = (bits ^ _logical_shift(bits, 30)) * _M1
    bits = (bits ^ _logical_shift(bits, 27)) * _M2
    return bits ^ _logical_shift(bits, 31)
