"""The schema of `evaluate`; `conf/evaluate/default.yaml` explains each key."""

from typing import Annotated, Literal

from pydantic import Field, ValidationError, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from ae_run.schema import (
    ONE_OR_SEVERAL,
    AnyCorruption,
    FractionPairs,
    Levels,
    Pair,
    Pairs,
    Positive,
    Positives,
    Schema,
    unchecked,
)


class RobustnessConfig(Schema):
    """One robustness curve: a corruption and the levels to score it at."""

    corruption: AnyCorruption
    levels: Annotated[Levels, Field(min_length=1)]

    @model_validator(mode="after")
    def _levels_in_bounds(self, info: ValidationInfo) -> "RobustnessConfig":
        if "corruption" in unchecked(info):
            return self
        from ae_run import corruptions

        for level in self.levels:
            try:
                corruptions.at_level(self.corruption, level)
            except ValidationError as error:
                rule = error.errors()[0]["msg"].replace("Input should be", "must be")
                name = corruptions.level_name(self.corruption)
                found = {"level": f"{level:g}", "name": name, "rule": rule}
                text = "levels: {level} is not a valid {name}: {rule}"
                raise PydanticCustomError("level", text, found) from None
        return self


class LatentConfig(Schema):
    """What to decode from the latent space."""

    path_classes: Pairs | None
    path_images: Pairs | None
    path_quantiles: FractionPairs | None
    path_steps: Annotated[int, Field(ge=2, le=10_000)]
    variances: Levels
    spread_steps: Levels
    samples: Annotated[int, Field(ge=0, le=100_000)]
    grid_dims: Pair | None
    grid_size: Annotated[int, Field(ge=2, le=1000)]
    grid_range: Annotated[float, Field(gt=0)]


class ConvergenceConfig(Schema):
    """Manifold convergence: the output repeatedly fed back as input."""

    starts: Annotated[int, Field(ge=1, le=10_000)]
    max_steps: Annotated[int, Field(ge=1, le=1_000_000)]
    threshold: Annotated[float, Field(ge=0)]
    marks: Levels


class SgdConfig(Schema):
    """A classifier trained by gradient steps."""

    batch_size: Positive
    lr: Annotated[float, Field(gt=0)]
    epochs: Positive


class MlpConfig(SgdConfig):
    """A classifier with hidden layers."""

    widths: Positives
    standardize: bool
    keep: Literal["best", "last"]
    output: Literal["logits", "softmax"]


class ProbeConfig(Schema):
    """Classifiers on frozen codes."""

    classifiers: Annotated[
        tuple[Literal["softmax", "sgd_softmax", "mlp", "knn"], ...],
        Field(strict=False),
        ONE_OR_SEVERAL,
    ]
    input: Literal["clean", "corrupted"]
    baselines: Annotated[tuple[Literal["pixels", "pca"], ...], Field(strict=False), ONE_OR_SEVERAL]
    l2: Annotated[Levels, Field(min_length=1)]
    neighbours: Annotated[Positives, Field(min_length=1)]
    sgd_softmax: SgdConfig
    mlp: MlpConfig


class EvaluateConfig(Schema):
    """What to score, and how much of it to keep for the figures; null turns a part off."""

    batch_size: Positive
    grid: Positive
    points: Positive
    robustness: dict[str, RobustnessConfig] | None
    own_levels: Levels
    denoisers: Positive | None
    latent: LatentConfig | None
    probe: ProbeConfig | None
    convergence: ConvergenceConfig | None
    tsne: Annotated[tuple[Literal[2, 3], ...], Field(strict=False), ONE_OR_SEVERAL]
    log_likelihood_samples: Positive | None
    frechet: Positive | None
