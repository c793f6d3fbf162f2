"""uint8 images on a device: a batch is an index, and evaluation noise is tied to the image."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from ae_run.corruptions import Corrupt
from ae_run.data import Images
from ae_run.randomness import KeyedNoise, image_keys

_AHEAD_BYTES = 1 << 24  # images that are read at once, in the order of their file
_DEVICE_SHARE = 0.5  # of an accelerator's free memory that images may fill
_USUAL_PIXELS = 3072  # 32×32×3; of images with more, `batches` has fewer at a time


class DeviceImages:
    """uint8 images (N, C, H, W), returned as floats in [0, 1] on a device.

    They are held where they fit: on the CPU as the mapped array, on an accelerator as a copy. Else
    a thread reads the next batches while the current one is used. The images are the same.
    """

    def __init__(
        self, images: Images, device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.device = device
        """Where the batches are."""
        self._images, self._dtype = images, dtype
        self._held: Tensor | None = None
        self._rows: Tensor | None = None
        self._ahead: Iterator[tuple[Tensor, Tensor]] = iter(())
        self._stream = _own_stream(device)
        if device.type == "cpu" and not images.streamed:
            self._held, self._rows = torch.from_numpy(images.array), torch.from_numpy(images.rows)
        elif device.type != "cpu" and _fits(images, device):
            self._held = _copied(images, device)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def streamed(self) -> bool:
        """Whether each batch is brought to the device when it is needed."""
        return self._held is None

    @property
    def where(self) -> str:
        """Where the images are, in words."""
        if not self.streamed:
            return "in memory" if self.device.type == "cpu" else f"on {self.device}"
        source = "streamed from the disk" if self._images.streamed else "streamed from memory"
        return source if self.device.type == "cpu" else f"{source} to {self.device}"

    def announce(self, order: Sequence[Tensor]) -> None:
        """Say which batches `take` will be asked for, by these very tensors in this order."""
        if self.streamed:
            self._ahead = self._read_ahead(order)

    def take(self, index: Tensor) -> Tensor:
        """The images at these positions, int64 (…,): float (…, C, H, W)."""
        if self._held is None:
            return self._to_float(self._next(index))
        flat = index.flatten()
        rows = flat if self._rows is None else self._rows.index_select(0, flat)
        images = self._held.index_select(0, rows)
        return self._to_float(images.view(*index.shape, *images.shape[1:]))

    def slice(self, start: int, stop: int) -> Tensor:
        """The images from `start` up to `stop`: float (B, C, H, W)."""
        if self._held is None:
            return self._to_float(self._load(self._images[start:stop]))
        if self._rows is None:
            return self._to_float(self._held[start:stop])
        return self._to_float(self._held.index_select(0, self._rows[start:stop]))

    def batches(self, size: int) -> Iterator[Tensor]:
        """All images in order: float (B, C, H, W), B ≤ size, less of large images."""
        size = max(1, size * _USUAL_PIXELS // max(_USUAL_PIXELS, self._images.pixels))
        if self._held is None:
            order = torch.split(torch.arange(len(self)), size)
            yield from (self._to_float(self._used(x)) for _, x in self._read_ahead(order))
            return
        for start in range(0, len(self), size):
            yield self.slice(start, start + size)

    def release(self) -> None:
        """See `Images.release`."""
        self._images.release()

    def keys(self) -> Tensor:
        """A 63-bit key per image, from its bytes: int64 (N,) on the images' device."""
        none = torch.empty(0, dtype=torch.int64)
        return torch.cat([none, *map(image_keys, self._images.blocks())]).to(self.device)

    def _next(self, index: Tensor) -> Tensor:
        """The batch at these positions, read ahead if it was announced as the next one."""
        expected, images = next(self._ahead, (None, None))
        if images is not None and expected is index:
            return self._used(images)
        self._ahead = iter(())
        flat = self._load(self._images[index.flatten().cpu().numpy()])
        return flat.view(*index.shape, *flat.shape[1:])

    def _read_ahead(self, order: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches with their positions; two groups of them are on their way at any time."""
        groups = deque(_grouped(order, self._images))
        pool = ThreadPoolExecutor(1)
        pending: deque[Future[list[Tensor]]] = deque()
        waiting = deque(groups)
        try:
            while groups:
                while waiting and len(pending) < 2:
                    pending.append(pool.submit(self._read_group, waiting.popleft()))
                yield from zip(groups.popleft(), pending.popleft().result(), strict=True)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _read_group(self, group: Sequence[Tensor]) -> list[Tensor]:
        """The images of some batches; runs in the thread."""
        flat = torch.cat([index.flatten() for index in group]).cpu().numpy()
        parts = torch.split(self._load(self._images[flat]), [index.numel() for index in group])
        return [
            images.view(*index.shape, *images.shape[1:])
            for images, index in zip(parts, group, strict=True)
        ]

    def _load(self, images: np.ndarray) -> Tensor:
        """Images on the device; their copy to CUDA goes on beside what the device computes."""
        tensor = torch.from_numpy(images)
        if self._stream is None:
            return tensor.to(self.device)
        with torch.cuda.stream(self._stream):
            copied = tensor.pin_memory().to(self.device, non_blocking=True)
        self._stream.synchronize()
        return copied

    def _used(self, images: Tensor) -> Tensor:
        """Images that were copied on another stream, and are going to be used on this one."""
        if self._stream is not None:
            images.record_stream(torch.cuda.current_stream(self.device))
        return images

    def _to_float(self, images: Tensor) -> Tensor:
        return images.to(self._dtype).div_(255)


def _own_stream(device: torch.device) -> torch.cuda.Stream | None:
    """A stream for copies to CUDA, beside the one that computes."""
    if device.type != "cuda":
        return None
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _fits(images: Images, device: torch.device) -> bool:
    """Whether a device has room for the images beside what training needs."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return len(images) * images.pixels <= _DEVICE_SHARE * free


def _copied(images: Images, device: torch.device) -> Tensor:
    """The images on a device, copied block by block."""
    held = torch.empty(images.shape, dtype=torch.uint8, device=device)
    start = 0
    for block in images.blocks():
        held[start : start + len(block)].copy_(torch.from_numpy(block))
        start += len(block)
    return held


def _grouped(order: Sequence[Tensor], images: Images) -> Iterator[list[Tensor]]:
    """Batches that are read together."""
    most = max(1, _AHEAD_BYTES // images.pixels)
    group: list[Tensor] = []
    count = 0
    for index in order:
        group.append(index)
        count += index.numel()
        if count >= most:
            yield group
            group, count = [], 0
    if group:
        yield group


def pairs(
    images: DeviceImages, corrupt: Corrupt, keys: Tensor, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of (corrupted input, clean target), each (B, C, H, W), in order.

    An image's noise depends only on its key (`randomness.image_keys`): it is the same for every
    model, batch size and device.
    """
    start = 0
    for target in images.batches(batch_size):
        noise = KeyedNoise(keys[start : start + len(target)])
        yield corrupt(target, noise), target
        start += len(target)


def first_pair(
    images: DeviceImages, corrupt: Corrupt, keys: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """The first `count` images, or all there are, as one batch of `pairs`."""
    target = images.slice(0, min(count, len(images)))
    return corrupt(target, KeyedNoise(keys[: len(target)])), target


def to_uint8(images: Tensor) -> np.ndarray:
    """Float images in [0, 1] as uint8 of the same shape."""
    array: np.ndarray = images.clamp(0, 1).mul(255).round().to(torch.uint8).cpu().numpy()
    return array
