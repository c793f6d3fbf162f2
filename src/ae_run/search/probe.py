"""A trial of `search.objective=probe`: a classifier trained on the codes of a trained encoder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from ae_run import devices, models
from ae_run.config import Config
from ae_run.data import Dataset, Part
from ae_run.evaluation.codes import Codes
from ae_run.evaluation.probes import Splits, mlp_epochs, mlp_input
from ae_run.images import DeviceImages
from ae_run.run_folder import RunFolder
from ae_run.training import checkpoints


@torch.no_grad()
def splits(config: Config, encoder: Path, dataset: Dataset) -> Splits:
    """Codes of train and validation as the classifier takes them; of test there are none."""
    device = devices.resolve(config.device)
    model = models.build(config.model, dataset.image_shape)
    checkpoints.load_weights(RunFolder(encoder), model)
    model = model.to(device, torch.float32).eval()

    def codes(part: Part) -> Codes:
        images = DeviceImages(part.images, device)
        return Codes.of(model, part, images, config.evaluate.batch_size)

    train = codes(dataset.train)
    assert config.evaluate.probe is not None
    parts = Splits(train, codes(dataset.validation), train.first(0), len(dataset.class_names))
    return mlp_input(config.evaluate.probe.mlp, parts)


def epochs(config: Config, codes: Splits, folder: RunFolder) -> Iterator[dict[str, Any]]:
    """Train; after each epoch, write the history and yield its line."""
    assert config.evaluate.probe is not None
    history: list[dict[str, Any]] = []
    for row in mlp_epochs(config.evaluate.probe.mlp, codes, config.seed)[1]:
        history.append({"epoch": len(history) + 1, **row})
        folder.write_csv("history.csv", history)
        yield history[-1]
