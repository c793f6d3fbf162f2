"""How long to train: steps of an epoch, and the epochs that make the data set's suggested steps."""

from ae_run.config import Config, TrainConfig


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Batches of an epoch; a last one of a single image joins the one before it."""
    whole, rest = divmod(images, batch_size)
    return whole + (rest > 1 or (rest == 1 and whole == 0))


def known_epochs(settings: TrainConfig) -> int:
    """`train.epochs` of a config that has gone through `with_epochs`."""
    assert settings.epochs is not None
    return settings.epochs


def with_epochs(config: Config, images: int) -> Config:
    """The config with a number as `train.epochs`, for so many training images.

    Epochs of a small data set are short: what decides how far a model comes are its steps.
    """
    if config.train.epochs is not None:
        return config
    steps = steps_per_epoch(images, config.train.batch_size)
    epochs = max(1, round(config.data.suggested_steps / steps))
    train = config.train.model_copy(update={"epochs": epochs})
    return config.model_copy(update={"train": train})
