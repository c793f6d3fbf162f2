"""Images and codes as users have them: NumPy arrays or tensors, one or many, uint8 or float."""

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ae_run.atomic import write_bytes
from ae_run.data import Images
from ae_run.errors import InvalidInput, UserError

Array = np.ndarray | Tensor
Kind = TypeVar("Kind", np.ndarray, Tensor)
_BATCH = 512


def apply(
    given: Kind,
    batch: Tensor,
    one: bool,
    function: Callable[[Tensor], Tensor],
    device: torch.device,
) -> Kind:
    """The function's output for a batch, as the kind of array that was given.

    Args:
        given: by the user.
        batch: the same values as a batch, (N, …).
        one: whether `given` is a single image or code, so that its output is one too.
        function: a batch on `device` → a batch.
        device: to compute on.
    """
    parts = []
    with torch.no_grad():
        for part in torch.split(batch, _BATCH):
            part = part.to(device)
            part = part.float().div(255) if part.dtype == torch.uint8 else part.float()
            parts.append(function(part).float().to(batch.device))
    result = torch.cat(parts)
    result = result[0] if one else result
    return result if isinstance(given, Tensor) else result.numpy()


def images(given: Array, shape: tuple[int, int, int]) -> tuple[Tensor, bool]:
    """Images as a batch (N, C, H, W), uint8 or float in [0, 1], and whether it is a single one.

    Args:
        given: (C, H, W), (N, C, H, W), or for one channel also (H, W) or (N, H, W); (1, H, W) is
            one image.
        shape: (C, H, W) of the model's images.

    Raises:
        InvalidInput: the shape, type or range differs.
    """
    x = _tensor(given, "images")
    channels, size = shape[0], shape[1:]
    found, one = None, x.dim() == 2 or tuple(x.shape) == shape
    if tuple(x.shape[-3:]) == shape and x.dim() in (3, 4):
        found = x.view(-1, *shape) if x.is_contiguous() else x.reshape(-1, *shape)
    elif channels == 1 and x.dim() in (2, 3) and tuple(x.shape[-2:]) == size:
        found = x.reshape(-1, *shape)
    if found is None:
        wanted = " × ".join(map(str, shape))
        got = " × ".join(map(str, x.shape)) or "a single number"
        hint = "; move the channels first" if tuple(x.shape[-3:]) == (*size, channels) else ""
        raise InvalidInput(
            f"images: shape is {got}; must be {wanted} (channels × height × width), or N of "
            f"them{hint}"
        )
    if not len(found):
        raise InvalidInput("images: there is none")
    if found.dtype == torch.uint8:
        return found, one
    if not found.is_floating_point():
        raise InvalidInput(f"images: type is {x.dtype}; must be uint8, or float in [0, 1]")
    low, high = float(found.min()), float(found.max())
    if not (low >= 0 and high <= 1):  # also where one is NaN
        raise InvalidInput(
            f"images: floats from {low:g} to {high:g}; must lie in [0, 1], or be uint8"
        )
    return found, one


def codes(given: Array, size: int) -> tuple[Tensor, bool]:
    """Codes as a batch (N, d) of finite floats, and whether it is a single one.

    Raises:
        InvalidInput: the shape or type differs.
    """
    z = _tensor(given, "codes")
    if z.dim() not in (1, 2) or z.shape[-1] != size:
        got = " × ".join(map(str, z.shape)) or "a single number"
        raise InvalidInput(f"codes: shape is {got}; must be {size} numbers, or N × {size}")
    if not len(z):
        raise InvalidInput("codes: there is none")
    if z.is_complex() or z.dtype == torch.bool:
        raise InvalidInput(f"codes: type is {z.dtype}; must be numbers")
    if not z.isfinite().all():
        raise InvalidInput("codes: contain NaN or infinity")
    return z.reshape(-1, size).float(), z.dim() == 1


def _tensor(given: Array, what: str) -> Tensor:
    if isinstance(given, Tensor):
        return given.detach()
    if isinstance(given, Images):
        given = given[:]
    if not isinstance(given, np.ndarray):
        raise InvalidInput(f"{what}: are a {type(given).__name__}; must be an array or a tensor")
    try:
        return torch.from_numpy(np.array(given))  # a copy: it may be read-only, or reversed
    except TypeError:
        raise InvalidInput(f"{what}: type is {given.dtype}; must be numbers") from None


def saved(
    images: Array | None,
    labels: Array | None,
    test_images: Array | None,
    test_labels: Array | None,
) -> list[str]:
    """Write arrays to a file named by its content, and return the overrides that read it."""
    given = {
        "images": images,
        "labels": labels,
        "test_images": test_images,
        "test_labels": test_labels,
    }
    arrays = {
        name: array.detach().cpu().numpy() if isinstance(array, Tensor) else np.asarray(array)
        for name, array in given.items()
        if array is not None
    }
    if not arrays:
        return []
    if images is None:
        raise UserError(f"{next(iter(arrays))}: goes with images only")
    digest = hashlib.sha256()
    for name, array in arrays.items():
        if array.dtype == object:
            raise InvalidInput(f"{name}: objects of mixed sizes; must be one array")
        digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    path = Path("outputs") / "arrays" / f"{digest.hexdigest()[:12]}.npz"
    if not path.is_file():
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, buffer.getvalue())
    keys = [f"data.{name}_key={name if name in arrays else 'null'}" for name in given]
    return ["data=npz", f"data.path={path}", *keys]
