"""Score a run folder: its best weights on the test set, and likewise its other seeds."""

import torch

from ae_run import evaluation, headline, models
from ae_run.config import Config, validate
from ae_run.data import Dataset
from ae_run.evaluation import seeds
from ae_run.evaluation.earlier import Earlier, weights
from ae_run.models import Autoencoder
from ae_run.progress import Parts
from ae_run.run_folder import REPLICAS, RunFolder
from ae_run.training import checkpoints, replicas

_SHOWN = {"latent": None, "convergence": None, "tsne": ()}
"""Options that serve only the figures, which show the first seed; off for the other seeds."""


def score(
    folder: RunFolder,
    config: Config,
    model: Autoencoder,
    dataset: Dataset,
    device: torch.device,
    earlier: Earlier | None = None,
) -> None:
    """Load the folder's best weights into the model, and score it on test.

    What `earlier` found is kept for the parts of `evaluate` that the config switches off.
    `warnings` in `run.json` then says what to try where a baseline is better, `notes` where epochs
    were wasted.
    """
    checkpoints.load_weights(folder, model)
    metrics = evaluation.evaluate(config, model, dataset, folder, device, earlier)
    best_epoch, epochs = folder.read_json("run.json").get("best_epoch"), folder.epochs_saved()
    folder.update_json(
        "run.json",
        warnings=headline.warnings(metrics, config.train.lr, epochs, best_epoch),
        notes=headline.notes(epochs, best_epoch, config.train.patience),
        scored_weights=weights(folder),
    )
    folder.mark("scored")


def score_seeds(
    folder: RunFolder, config: Config, dataset: Dataset, device: torch.device, again: bool
) -> bool:
    """Score the other seeds of a run like its first one, then summarize all.

    Args:
        folder: the first seed's.
        config: its `evaluate` says what to score.
        dataset: the one they were trained on.
        device: to score on.
        again: whether to repeat scores that are up to date.

    Returns:
        Whether anything was scored.
    """
    what = config.evaluate.model_copy(update=_SHOWN)
    others, new = replicas.folders(folder), False
    with Parts(folder, "evaluate seeds", len(others)) as part:
        for other in others:
            with part(other.path.name):
                if again or not other.is_current("scored"):
                    own = validate(other.read_config()).model_copy(update={"evaluate": what})
                    earlier = Earlier.of(other) if again else None
                    own_model = models.build(own.model, dataset.image_shape)
                    score(other, own, own_model, dataset, device, earlier)
                    new = True
            other.update_json("run.json", status="finished")
    if others:
        folder.write_json(REPLICAS, seeds.summary([folder, *others]))
    return new
