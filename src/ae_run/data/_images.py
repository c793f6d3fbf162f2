"""Read an image file as uint8 pixels, resized and converted."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow reads EPS by running Ghostscript: an image must not start a program.
_REFUSED = {"EPS"}


def read(path: Path, size: int | None, fit: str, channels: int) -> np.ndarray | None:
    """Read an image file, or the first frame of an animation.

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

    Image.init()  # registers all formats
    formats = sorted(set(Image.OPEN) - _REFUSED)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, which does not matter here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=formats) as image:
                image.load()
                pixels = _convert(image, size, fit, channels)
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return None
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


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
