"""The codes of every image of a data set, for other programs."""

import numpy as np
import torch

from ae_run.data import Dataset
from ae_run.images import DeviceImages
from ae_run.models import Autoencoder, mse
from ae_run.progress import Parts


@torch.no_grad()
def coded(
    model: Autoencoder, dataset: Dataset, device: torch.device, batch_size: int, part: Parts
) -> dict[str, np.ndarray]:
    """Encode and reconstruct all splits, in their order.

    Returns:
        `codes` (N, d) float32, `labels` (N,), `mse` (N,) of the reconstructions, `split` (N,) and
        `index` (N,), the position in the split; and `class_names`.
    """
    dataset = dataset.unmapped()
    splits = {
        "train": dataset.train,
        "validation": dataset.validation,
        "test": dataset.open_test(),
    }
    found: dict[str, list[np.ndarray]] = {
        name: [] for name in ("codes", "labels", "mse", "split", "index")
    }
    for name, split in splits.items():
        with part(f"{len(split):,} {name} images"):
            images = DeviceImages(split.images, device)
            for x in images.batches(batch_size) if len(split) else ():
                z = model.encode(x)
                found["codes"].append(z.float().cpu().numpy())
                found["mse"].append(mse(model.decode(z), x).float().cpu().numpy())
            found["labels"].append(split.labels)
            found["split"].append(np.full(len(split), name))
            found["index"].append(np.arange(len(split)))
    arrays = {name: np.concatenate(parts) for name, parts in found.items()}
    return {**arrays, "class_names": np.array(dataset.class_names)}
