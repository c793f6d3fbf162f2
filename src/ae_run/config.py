"""The typed root schema, and how errors in a config read.

Values live in `conf/*.yaml`, types and bounds here; no default stands in both. Each
component's own options stand beside its code, in its module's `Config`. Nothing here imports
torch; validating a component imports its module, which may.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ae_run import components
from ae_run.config_errors import flatten, message
from ae_run.errors import UserError


class Schema(BaseModel):
    """Frozen, strict about types, closed to unknown keys, and without NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Positive = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]
Positives = Annotated[tuple[Positive, ...], Field(strict=False)]
Naturals = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)]
Pair = Annotated[Naturals, Field(min_length=2, max_length=2)]
Pairs = Annotated[tuple[Pair, ...], Field(strict=False)]
FractionPair = Annotated[tuple[Fraction, Fraction], Field(strict=False)]
FractionPairs = Annotated[tuple[FractionPair, ...], Field(strict=False)]
Levels = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False)]


class ComponentConfig(Schema):
    """Options of a component; `name` is its file."""

    name: str


class DataConfig(ComponentConfig):
    """Options that every data set has."""

    limit: Positive | None
    validation_fraction: Annotated[float, Field(ge=0, lt=1)]
    split_seed: Annotated[int, Field(ge=0, lt=2**32)]
    suggested_epochs: Positive


class FileDataConfig(DataConfig):
    """Options of a data set that lies in files below a root folder."""

    root: str | None


class DownloadConfig(FileDataConfig):
    """Options of a data set that can be downloaded."""

    download: bool
    mirrors: Annotated[tuple[str, ...], Field(strict=False)]


class CorruptionConfig(ComponentConfig):
    """Options of a corruption."""


class ModelConfig(ComponentConfig):
    """Options that every model has."""

    latent_dim: Positive
    requires_corruption: bool = Field(default=False, exclude_if=lambda value: not value)


def _component(group: str) -> BeforeValidator:
    """Validate a dict by the `Config` of the component that its `name` picks."""

    def validate(value: object, info: ValidationInfo) -> object:
        if not isinstance(value, Mapping):
            return value
        if group in (info.context or {}).get("skip", ()):
            return _BASES[group].model_construct(name=str(value.get("name")))
        try:
            module = components.module(group, str(value.get("name")))
        except UserError as error:
            raise ValueError(str(error)) from None
        return module.Config.model_validate(dict(value))

    return BeforeValidator(validate)


_BASES: dict[str, type[ComponentConfig]] = {
    "data": DataConfig,
    "corruption": CorruptionConfig,
    "model": ModelConfig,
}
AnyCorruption = Annotated[SerializeAsAny[CorruptionConfig], _component("corruption")]


class PlateauConfig(Schema):
    """When training ends because its loss no longer falls."""

    epochs: Positive
    change: Annotated[float, Field(ge=0)]
    rises: Positive


class TrainConfig(Schema):
    """How to train; see `conf/train/default.yaml` for what each key means."""

    epochs: Positive
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
    """One robustness curve: a corruption, and the levels at which it is scored."""

    corruption: AnyCorruption
    levels: Annotated[Levels, Field(min_length=1)]

    @model_validator(mode="after")
    def _levels_in_bounds(self) -> "RobustnessConfig":
        if type(self.corruption) is CorruptionConfig:
            return self  # its own options have not been looked at yet
        from ae_run import corruptions

        for level in self.levels:
            try:
                corruptions.at_level(self.corruption, level)
            except ValidationError as error:
                rule = error.errors()[0]["msg"].replace("Input should be", "must be")
                name = corruptions.level_name(self.corruption)
                raise PydanticCustomError(
                    "level", "levels: {level} is no {name}: {rule}",
                    {"level": f"{level:g}", "name": name, "rule": rule},
                ) from None  # fmt: skip
        return self


class LatentConfig(Schema):
    """What is decoded to look at the latent space."""

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
    """Manifold convergence: the output fed back as the input."""

    starts: Positive
    max_steps: Positive
    threshold: Annotated[float, Field(ge=0)]
    marks: Levels


class SgdConfig(Schema):
    """How a classifier is trained by gradient steps."""

    batch_size: Positive
    lr: Annotated[float, Field(gt=0)]
    epochs: Positive


class MlpConfig(SgdConfig):
    """The classifier with hidden layers."""

    widths: Positives
    standardize: bool
    keep: Literal["best", "last"]
    output: Literal["logits", "softmax"]


class ProbeConfig(Schema):
    """Classifiers on frozen codes."""

    classifiers: Annotated[
        tuple[Literal["softmax", "sgd_softmax", "mlp", "knn"], ...], Field(strict=False)
    ]
    input: Literal["clean", "corrupted"]
    baselines: Annotated[tuple[Literal["pixels", "pca"], ...], Field(strict=False)]
    l2: Annotated[Levels, Field(min_length=1)]
    neighbours: Annotated[Positives, Field(min_length=1)]
    sgd_softmax: SgdConfig
    mlp: MlpConfig


class EvaluateConfig(Schema):
    """What is scored, and how much of it is kept for the figures; null switches a part off."""

    batch_size: Positive
    grid: Positive
    points: Positive
    robustness: dict[str, RobustnessConfig] | None
    own_levels: Levels
    latent: LatentConfig | None
    probe: ProbeConfig | None
    convergence: ConvergenceConfig | None
    tsne: Annotated[tuple[Literal[2, 3], ...], Field(strict=False)]
    log_likelihood_samples: Positive | None


class FiguresConfig(Schema):
    """How figures are drawn."""

    format: Annotated[tuple[Literal["png", "pdf", "svg"], ...], Field(strict=False, min_length=1)]
    style: Literal["default", "paper", "dark"]
    dpi: Annotated[int, Field(ge=30, le=1200)]


def _search(value: object) -> object:
    """Validate `search` by its own schema, which lies beside its code."""
    if not isinstance(value, Mapping):
        return value
    from ae_run.search.options import SearchConfig

    return SearchConfig.model_validate(dict(value))


PLAIN_TASK = {"task": "train", "worker": None, "run_dir": None, "resume": None, "run": None,
              "search": None}  # fmt: skip


class Config(Schema):
    """A whole run."""

    task: Literal["train", "search", "evaluate", "figures", "report"]
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")]
    worker: int | str | None
    run_dir: str | None
    resume: str | None
    run: str | None
    data: Annotated[SerializeAsAny[DataConfig], _component("data")]
    corruption: AnyCorruption
    model: Annotated[SerializeAsAny[ModelConfig], _component("model")]
    train: TrainConfig
    evaluate: EvaluateConfig
    figures: FiguresConfig
    search: Annotated[SerializeAsAny[Schema] | None, BeforeValidator(_search)]
    """None in what a run folder saves: it is no part of a run."""

    @model_validator(mode="after")
    def _together(self, info: ValidationInfo) -> "Config":
        """Rules that span groups."""
        if (info.context or {}).get("skip"):
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
                "train the best values with more of them: experiment=best train.replicas=8"
            )
        return self

    def dump(self) -> dict[str, Any]:
        """As plain containers, for a run folder: without what only this command asks for."""
        return self.model_dump(mode="json") | PLAIN_TASK


COMPONENT_GROUPS = tuple(_BASES)


def validate(
    raw: Mapping[str, Any],
    touched: Collection[str] = COMPONENT_GROUPS,
    components_too: bool = True,
) -> Config:
    """The validated config; every error that is found comes in one `UserError`.

    Where the root schema itself finds errors, only the component groups in `touched` are
    looked at as well, so that a wrong number in `train` is reported without importing torch.
    Without `components_too`, components are taken by name alone; nothing then imports torch.
    """
    skip = set(COMPONENT_GROUPS)
    try:
        root = Config.model_validate(dict(raw), context={"skip": skip})
        if not components_too:
            return root
        skip = set()
    except ValidationError:
        skip -= set(touched) if components_too else set()
    try:
        return Config.model_validate(dict(raw), context={"skip": skip})
    except ValidationError as error:
        known = list(flatten(raw))
        lines = [message(details, known) for details in error.errors(include_url=False)]
        raise UserError("\n        ".join(dict.fromkeys(lines))) from None
