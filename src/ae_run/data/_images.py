"""Read image files as uint8 pixels, resized and converted, on all cores."""

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from tqdm import tqdm

from ae_run import console
from ae_run.processes import usable_cores

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")

# Pillow reads EPS by running Ghostscript: an image must not start a program.
_REFUSED = {"EPS"}
_CHUNK = 256  # images that a core decodes at a time
_MANY = 20_000  # images that are worth the start of processes, and a line without a progress bar


def decode_all(
    decode: Callable[[T], np.ndarray | None], items: Sequence[T], done: int = 0
) -> Iterator[np.ndarray | None]:
    """`decode` of all items but the first `done`, in order, on all cores, with a progress bar.

    Large images are decoded by threads, without Python's lock; with many small ones, most of the
    time goes into Python itself, so that they need processes.
    """
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    many = len(items) - done >= _MANY
    if many and not (sys.stderr.isatty() or console.quiet):
        print(f"decoding {len(items) - done:,} images", file=sys.stderr)
    bar = tqdm(
        total=len(items),
        initial=done,
        desc="decoding images",
        unit="",
        leave=False,
        disable=console.quiet or None,  # None: where stderr is no terminal
    )
    backend, function = ("loky", _quiet_chunk) if many else ("threading", _chunk)
    parallel = Parallel(usable_cores(), backend, return_as="generator", batch_size=1)
    starts = range(done, len(items), _CHUNK)
    with bar, _quiet_pillow():
        try:
            tasks = (delayed(function)(decode, items[i : i + _CHUNK]) for i in starts)
            for chunk in parallel(tasks):
                yield from chunk
                bar.update(len(chunk))
        finally:
            if many:
                get_reusable_executor().shutdown(kill_workers=True)


def _chunk(decode: Callable[[T], np.ndarray | None], items: Sequence[T]) -> list[np.ndarray | None]:
    return [decode(item) for item in items]


def _quiet_chunk(
    decode: Callable[[T], np.ndarray | None], items: Sequence[T]
) -> list[np.ndarray | None]:
    with _quiet_pillow():
        return _chunk(decode, items)


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Ignore warnings about metadata; those about bombs become errors.

    Set once around all threads, which share Python's filters.
    """
    from PIL import Image

    with warnings.catch_warnings(action="ignore"):
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def read(path: str, size: int | None, fit: str, channels: int) -> np.ndarray | None:
    """Read an image file, or the first frame of an animation; called by `decode_all`.

    Args:
        path: the file.
        size: pixels per side, or None to keep the image's size.
        fit: how to make an image square: `crop` cuts its longer side, `pad` adds black,
            `stretch` distorts.
        channels: 1 (grey) or 3 (RGB); transparent pixels are shown on black.

    Returns:
        uint8 `(C, H, W)`, or None if the file is not a readable image.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=_formats()) as image:
            image.load()
            pixels = _convert(image, size, fit, channels)
    except Exception:  # Pillow's decoders of damaged files let any error through
        return None
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


@cache
def _formats() -> list[str]:
    """All formats that may be read, the usual ones first: each is asked in turn."""
    from PIL import Image

    Image.init()  # registers all formats
    usual = ["PNG", "JPEG"]
    return usual + sorted(set(Image.OPEN) - _REFUSED - set(usual))


def _convert(image: "Image", size: int | None, fit: str, channels: int) -> np.ndarray:
    from PIL import Image, ImageOps

    image = _eight_bits(ImageOps.exif_transpose(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
    image = image.convert("L" if channels == 1 else "RGB")
    if size is not None and image.size != (size, size):
        # Lanczos keeps the most detail when shrinking, which is the usual case.
        to, method = (size, size), Image.Resampling.LANCZOS
        if fit == "crop":
            image = ImageOps.fit(image, to, method)
        elif fit == "pad":
            image = ImageOps.pad(image, to, method, color=0)
        else:
            image = image.resize(to, method)
    return np.asarray(image)


def _eight_bits(image: "Image") -> "Image":
    """Scale 16-bit grey to 8 bits: Pillow alone would clip it to white."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError("floats have no known range")
    if not image.mode.startswith("I"):
        return image
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ValueError("more than 16 bits")
    return Image.fromarray((pixels // 257).astype(np.uint8))
