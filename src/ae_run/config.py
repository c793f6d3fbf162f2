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

from ae_run import messages
from ae_run.components import PACKAGES
from ae_run.errors import UserError
from ae_run.evaluation_config import EvaluateConfig
from ae_run.schema import (
    ONE_OR_SEVERAL,
    AnyCorruption,
    AnyData,
    AnyModel,
    FiguresConfig,
    Fraction,
    Line,
    Positive,
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
    monitor: Literal["auto", "mse", "nelbo", "niwae"]
    precision: Literal["auto", "float32", "bfloat16", "float64"]
    threads: Annotated[int, Field(ge=1, le=4096)] | None
    plateau: PlateauConfig | None
    snapshot_every: Positive | None
    replicas: Positive
    loggers: Annotated[tuple[str, ...], Field(strict=False), ONE_OR_SEVERAL] | None
    init_from: str | None


def _search(value: object) -> object:
    """Validate `search` with its own schema, which lives next to its code."""
    if not isinstance(value, Mapping):
        return value
    from ae_run.search.config import SearchConfig

    return SearchConfig.model_validate(dict(value))


PLAIN_TASK = {"task": "train"} | dict.fromkeys(
    ("worker", "run_dir", "resume", "run", "runs", "code", "format", "output", "search")
)
"""Root keys that belong to a command, not to a run, with the values that run folders save."""


class Config(Schema):
    """The config of a whole run."""

    task: (
        Literal["train", "check", "search", "evaluate", "figures", "report", "export", "encode"]
        | Literal["compare", "list", "clean"]
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)]
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")]
    name: Line | None
    tags: Annotated[tuple[Line, ...], Field(strict=False)]
    notes: str | None
    worker: int | str | None
    run_dir: str | None
    resume: str | None
    run: str | None
    runs: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None
    code: Annotated[tuple[str, ...], Field(strict=False)] | None
    format: Literal["onnx", "safetensors"] | None
    output: str | None
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
        if self.data.binarize == "sample" and getattr(self.corruption, "rescale", False):
            raise ValueError(
                "corruption.rescale=true: measures the noisy images of a whole split, but "
                "data.binarize=sample draws new ones in each epoch; use data.binarize=fixed"
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
        return validate(raw, exact=True)


def validate(
    raw: Mapping[str, Any],
    touched: Collection[str] = tuple(PACKAGES),
    components_too: bool = True,
    exact: bool = False,
) -> Config:
    """The validated config; all errors are collected in one `UserError`.

    If the root schema itself finds errors, only the component groups in `touched` are checked
    too, so that a wrong number in `train` is reported without importing torch. Without
    `components_too`, the components' own options stay unchecked and nothing imports torch. With
    `exact`, `2.0` is no integer: not every value of a range of floats would be.
    """
    context: dict[str, object] = {"exact": exact}
    skipped = set(PACKAGES)
    try:
        root = Config.model_validate(dict(raw), context=context | {"unchecked": skipped})
        if not components_too:
            return root
        skipped = set()
    except ValidationError:
        skipped -= set(touched) if components_too else set()
    try:
        return Config.model_validate(dict(raw), context=context | {"unchecked": skipped})
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
