"""The root schema: validated by pydantic, changed by dotted keys.

Values live in `conf/*.yaml`, types and bounds here and next to the components; no default is in
both. Nothing here imports torch; validating a component imports its module, which may.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ae_run import messages
from ae_run.components import PACKAGES
from ae_run.errors import UserError
from ae_run.schema import (
    ONE_OR_SEVERAL,
    AnyCorruption,
    AnyData,
    AnyModel,
    FiguresConfig,
    Fraction,
    FractionPairs,
    Levels,
    Pair,
    Pairs,
    Positive,
    Positives,
    Schema,
    unchecked,
)


class PlateauConfig(Schema):
    """When to stop because the training loss no longer falls."""

    epochs: Positive
    change: Annotated[float, Field(ge=0)]
    rises: Positive


class TrainConfig(Schema):
    """How to train; `conf/train/default.yaml` documents each key."""

    epochs: Positive | None
    batch_size: Positive
    lr: Annotated[float, Field(gt=0)]
    optimizer: Literal["adam", "adamw", "adamax", "rmsprop", "sgd"]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["constant", "cosine", "onecycle"]
    warmup: Fraction
    clip_norm: Annotated[float, Field(gt=0)] | None
    patience: Positive | None
    min_delta: Annotated[float, Field(ge=0)]
    monitor: Literal["auto", "mse", "nelbo"]
    precision: Literal["auto", "float32", "bfloat16", "float64"]
    threads: Positive | None
    plateau: PlateauConfig | None
    snapshot_every: Positive | None
    replicas: Positive
    init_from: str | None


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
    path_steps: Annotated[int, Field(ge=2)]
    variances: Levels
    spread_steps: Levels
    samples: Annotated[int, Field(ge=0)]
    grid_dims: Pair | None
    grid_size: Annotated[int, Field(ge=2)]
    grid_range: Annotated[float, Field(gt=0)]


class ConvergenceConfig(Schema):
    """Manifold convergence: the output repeatedly fed back as input."""

    starts: Positive
    max_steps: Positive
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
    latent: LatentConfig | None
    probe: ProbeConfig | None
    convergence: ConvergenceConfig | None
    tsne: Annotated[tuple[Literal[2, 3], ...], Field(strict=False), ONE_OR_SEVERAL]
    log_likelihood_samples: Positive | None


def _search(value: object) -> object:
    """Validate `search` with its own schema, which lives next to its code."""
    if not isinstance(value, Mapping):
        return value
    from ae_run.search.config import SearchConfig

    return SearchConfig.model_validate(dict(value))


PLAIN_TASK = {"task": "train"} | dict.fromkeys(("worker", "run_dir", "resume", "run", "search"))
"""Root keys that belong to a command, not to a run, with the values that run folders save."""


class Config(Schema):
    """The config of a whole run."""

    task: Literal["train", "check", "search", "evaluate", "figures", "report"]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")]
    worker: int | str | None
    run_dir: str | None
    resume: str | None
    run: str | None
    data: AnyData
    corruption: AnyCorruption
    model: AnyModel
    train: TrainConfig
    evaluate: EvaluateConfig
    figures: FiguresConfig
    search: Annotated[SerializeAsAny[Schema] | None, BeforeValidator(_search)]
    """None in a run folder, since the search is not part of the run."""

    @model_validator(mode="after")
    def _together(self, info: ValidationInfo) -> "Config":
        """Rules that span groups."""
        if unchecked(info):
            return self
        if self.model.requires_corruption and self.corruption.name == "none":
            raise ValueError(
                "corruption=none: a denoising model needs one; choose corruption=gaussian or "
                "another, or model=conv_ae for clean input"
            )
        if self.train.patience is not None and self.data.validation_fraction == 0:
            raise ValueError(
                f"train.patience={self.train.patience}: early stopping needs validation images, "
                "but data.validation_fraction=0; set train.patience=null or a fraction above 0"
            )
        if self.seed + self.train.replicas > 2**32:
            raise ValueError(
                f"train.replicas={self.train.replicas}: the seeds would run from {self.seed} to "
                f"{self.seed + self.train.replicas - 1}, but the largest is {2**32 - 1}"
            )
        if self.task == "search" and self.train.replicas > 1:
            raise ValueError(
                f"train.replicas={self.train.replicas}: a search trains one seed per trial; "
                "train the best values with several seeds: experiment=best train.replicas=8"
            )
        return self

    def dump(self) -> dict[str, Any]:
        """Plain containers for a run folder, with this command's own keys reset."""
        return self.model_dump(mode="json") | PLAIN_TASK

    def changed(self, values: Mapping[str, Any]) -> "Config":
        """A validated copy with new values at dotted keys; list items are keyed by index.

        `config.changed({"train.epochs": 3, "model.channels.0": 16})`

        Raises:
            UserError: a key does not exist, or its value is refused.
        """
        raw = self.model_dump(mode="json")
        for key, value in values.items():
            *path, leaf = key.split(".")
            node: Any = raw
            try:
                for part in path:
                    node = node[int(part) if isinstance(node, list) else part]
                place = int(leaf) if isinstance(node, list) else leaf
                node[place]  # an unknown key must not be added
                node[place] = value
            except (LookupError, TypeError, ValueError):
                raise UserError(messages.no_such_key(key, messages.flatten(raw))) from None
        return validate(raw)


def validate(
    raw: Mapping[str, Any],
    touched: Collection[str] = tuple(PACKAGES),
    components_too: bool = True,
) -> Config:
    """The validated config; all errors are collected in one `UserError`.

    If the root schema itself finds errors, only the component groups in `touched` are checked
    too, so that a wrong number in `train` is reported without importing torch. Without
    `components_too`, the components' own options stay unchecked and nothing imports torch.
    """
    skipped = set(PACKAGES)
    try:
        root = Config.model_validate(dict(raw), context={"unchecked": skipped})
        if not components_too:
            return root
        skipped = set()
    except ValidationError:
        skipped -= set(touched) if components_too else set()
    try:
        return Config.model_validate(dict(raw), context={"unchecked": skipped})
    except ValidationError as error:
        known, errors = list(messages.flatten(raw)), error.errors(include_url=False)
        places = [e["loc"] for e in errors]
        # A list whose item is refused counts as too short as well.
        lines = [
            messages.validation_error(e, known)
            for e in errors
            if not any(len(p) > len(e["loc"]) and p[: len(e["loc"])] == e["loc"] for p in places)
        ]
        raise UserError("\n        ".join(dict.fromkeys(lines))) from None
