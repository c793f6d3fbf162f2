"""Diagnostics of codes: what each dimension carries, and how the encoder responds to pixels.

Legend: N images, d code size, P = C·H·W pixels.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ae_run.evaluation.codes import Codes
from ae_run.images import DeviceImages
from ae_run.models import Autoencoder

Arrays = dict[str, np.ndarray]

ACTIVE = 0.01
"""A unit is active if its posterior mean varies by more than this over the test images."""
_IMAGES, _LEAST_IMAGES, _WORK = 64, 4, 320_000
"""Images whose Jacobian is taken: at most, at least, and times d² at most."""


def scores(
    model: Autoencoder,
    images: DeviceImages,
    test: Codes,
    train_codes: Callable[[], Codes],
    batch_size: int,
) -> dict[str, Any]:
    """`dead_units` of any code; `active_units` and `kl_per_dim`, in nats, of one with a prior.

    Args:
        model: to diagnose.
        images: the test images.
        test: their codes.
        train_codes: the codes of the training images, asked for only where a unit may be dead.
        batch_size: of images.
    """
    found: dict[str, Any] = {"dead_units": dead_units(test, train_codes)}
    parts = [model.kl_per_dimension(x) for x in images.batches(batch_size)]
    known = [part.double().cpu() for part in parts if part is not None]
    if known:
        found["active_units"] = active_units(test.z)
        found["kl_per_dim"] = torch.cat(known).mean(0).tolist()
    return found


def active_units(means: Tensor) -> int:
    """How many dimensions of the posterior means (N, d) vary by more than `ACTIVE`.

    Burda et al. 2016, "Importance weighted autoencoders", section 5.2.
    """
    return int((means.double().var(0, correction=0) > ACTIVE).sum())


def dead_units(test: Codes, train_codes: Callable[[], Codes]) -> int:
    """How many dimensions are 0 for every training image, as a ReLU can leave them."""
    silent = (test.z == 0).all(0)
    if not silent.any():
        return 0
    return int((silent & (train_codes().z == 0).all(0)).sum())


def importance(test: Codes, kl: list[float] | None) -> Tensor:
    """What orders the dimensions: their KL, else the variance of their codes: (d,)."""
    return test.z.double().var(0, correction=0) if kl is None else torch.tensor(kl)


def correlation(z: Tensor) -> Tensor:
    """Pearson's correlation between the dimensions of codes (N, d): (d, d); 0 with a constant."""
    centred = z.double() - z.double().mean(0)
    norms = centred.norm(dim=0)
    return (centred.T @ centred / torch.outer(norms, norms)).nan_to_num(0.0, 0.0, 0.0)


def encoder_scores(
    model: Autoencoder, images: DeviceImages, test: Codes
) -> tuple[dict[str, Any], Arrays]:
    """Correlation of the codes and the encoder's Jacobian at the first test images.

    Returns:
        Metrics: `correlation`, the mean |r| of two dimensions; `jacobian`: `frobenius`, the mean
        ‖∂z/∂x‖_F, `singular_values`, the mean of each rank, and `n`, the images; `weights_penalty`
        of a contractive model. Arrays: `dims_variance` (d,), `dims_correlation` (d, d) and
        `dims_singular_values` (n, min(d, P)).
    """
    d = test.z.shape[1]
    metrics: dict[str, Any] = {}
    arrays = {"dims_variance": test.z.double().var(0, correction=0).float().numpy()}
    if d > 1:
        r = correlation(test.z)
        metrics["correlation"] = float((r.abs().sum() - r.diagonal().sum()) / (d * (d - 1)))
        arrays["dims_correlation"] = r.float().numpy()
    x = images.slice(0, max(_LEAST_IMAGES, min(_IMAGES, _WORK // d**2)))
    jacobians = encoder_jacobians(model, x)
    if jacobians is not None:
        values = torch.linalg.svdvals(jacobians.cpu())
        metrics["jacobian"] = {
            "frobenius": float(values.square().sum(1).sqrt().mean()),
            "singular_values": values.mean(0).tolist(),
            "n": len(x),
        }
        arrays["dims_singular_values"] = values.numpy()
    if (penalty := model.weights_penalty()) is not None:
        metrics["weights_penalty"] = float(penalty)
    return metrics, arrays


def encoder_jacobians(model: Autoencoder, x: Tensor) -> Tensor | None:
    """∂z/∂x at images (n, C, H, W): (n, d, P); None for an encoder without a gradient.

    In evaluation a code does not depend on other images, so that one backward pass gives a row of
    the Jacobians of all images.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        z = model.encode(x)
        if not z.requires_grad:
            return None
        rows = [
            torch.autograd.grad(z[:, i].sum(), x, retain_graph=True)[0] for i in range(z.shape[1])
        ]
    return torch.stack(rows, 1).flatten(2)
