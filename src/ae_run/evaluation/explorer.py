"""What the page needs to explore the latent space: reconstructions, and the decoder itself.

Legend: n shown test images, C channels, H W pixels, d code size, G codes along an axis.
"""

import json
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ae_run.evaluation.decoder_export import Unsupported, export
from ae_run.evaluation.decoder_layers import Layer
from ae_run.evaluation.latent import Decoder
from ae_run.images import DeviceImages, to_uint8
from ae_run.models import Autoencoder
from ae_run.randomness import generator

Arrays = dict[str, np.ndarray]
REACH = 3.0
"""Standard deviations of the codes, on both sides of their mean, that can be explored."""
_THUMBNAIL = 32  # pixels a side, at most: what the page shows of a reconstruction
_GRID = 15
_CHECKED = 64


def explorer_arrays(
    model: Autoencoder, codes: Tensor, images: DeviceImages, batch_size: int
) -> Arrays:
    """Arrays for the page, all named `explorer_…`.

    Args:
        model: in evaluation mode.
        codes: (n, d) of the first n images.
        images: the test images, on the model's device.
        batch_size: images to reconstruct at once.

    Returns:
        `outputs` (n, C, h, w) uint8, the reconstructions of clean images, made small. `decoder`,
        the layers as JSON, in which an array is the number k of the entry `decoder_<k>`. Where
        there is no such decoder: `reason`, and images decoded beforehand over the two dimensions
        of largest variance, `grid_images` (G, G, C, H, W), the second dimension by row, with
        `grid_dims` (2,) and `grid_values` (2, G). A one-dimensional code has one row.
    """
    n = len(codes)
    outputs = [
        to_uint8(_small(model.reconstruct(images.slice(start, min(start + batch_size, n)))))
        for start in range(0, n, batch_size)
    ]
    arrays: Arrays = {"outputs": np.concatenate(outputs)}
    mean, spread = codes.mean(0), codes.std(0, correction=0)
    try:
        arrays |= packed(export(model, _to_check(codes, mean, spread)))
    except Unsupported as error:
        arrays |= {"reason": np.array(str(error))} | _grid(model, mean, spread)
    return {f"explorer_{name}": array for name, array in arrays.items()}


def _small(images: Tensor) -> Tensor:
    """Images averaged over blocks of pixels, to at most `_THUMBNAIL` a side."""
    step = min(-(-max(images.shape[-2:]) // _THUMBNAIL), *images.shape[-2:])
    return images if step == 1 else F.avg_pool2d(images, step)


def packed(layers: list[Layer]) -> Arrays:
    """Layers as JSON and numbered arrays."""
    described: list[dict[str, Any]] = []
    arrays: Arrays = {}
    for layer in layers:
        names = {}
        for name, array in layer.arrays.items():
            names[name] = len(arrays)
            arrays[f"decoder_{len(arrays)}"] = array
        described.append(
            {"kind": layer.kind, "shape": layer.shape, **layer.options, "arrays": names}
        )
    return {"decoder": np.array(json.dumps(described)), **arrays}


def _to_check(codes: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    """Codes of images, and codes anywhere where the page can go."""
    drawn = torch.rand(_CHECKED, codes.shape[1], generator=generator(0, "explorer"))
    return torch.cat([codes[:_CHECKED], mean + REACH * (2 * drawn - 1) * spread])


def _grid(model: Autoencoder, mean: Tensor, spread: Tensor) -> Arrays:
    dims = spread.argsort(descending=True, stable=True)[:2]
    steps = torch.linspace(-REACH, REACH, _GRID)
    values = mean[dims][:, None] + spread[dims][:, None] * steps  # (1 or 2, G)
    plane = mean.repeat(_GRID if len(dims) == 2 else 1, _GRID, 1)
    plane[:, :, dims[0]] = values[0]
    if len(dims) == 2:
        plane[:, :, dims[1]] = values[1][:, None]
    images = Decoder(model, batch_size=256)(plane)
    return {"grid_images": images, "grid_dims": dims.numpy(), "grid_values": values.numpy()}
