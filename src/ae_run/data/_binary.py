"""Binary images: each pixel is white with its grey value in [0, 1] as probability.

Salakhutdinov and Murray 2008, "On the quantitative analysis of deep belief networks".
"""

import hashlib

import numpy as np

_ROWS = 4096


def binarized(images: np.ndarray, seed: int) -> np.ndarray:
    """One draw of uint8 images `(N, C, H, W)`: 255 with probability grey / 255, else 0.

    An image's draw depends only on its pixels and the seed, not on the images beside it, and is
    the same on every machine and in every version: the random numbers are the output of SHAKE-128
    (FIPS 202) for both. Each channel of a pixel is drawn by itself.
    """
    drawn = np.empty_like(images)
    for start in range(0, len(images), _ROWS):
        block = images[start : start + _ROWS]
        stream = b"".join(_stream(image, seed) for image in block)
        numbers = np.frombuffer(stream, "<u2").reshape(block.shape)  # uniform on 0 … 65,535
        white = numbers * np.uint32(255) < block * np.uint32(65_536)
        drawn[start : start + _ROWS] = np.where(white, np.uint8(255), np.uint8(0))
    return drawn


def _stream(image: np.ndarray, seed: int) -> bytes:
    """Two random bytes per value of an image."""
    key = f"binarize/{seed}/".encode() + image.tobytes()
    return hashlib.shake_128(key).digest(2 * image.size)
