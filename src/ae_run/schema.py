"""Base classes and shared types of the config; imports no torch.

A component's own options live next to its code, in its module's `Config`, which extends the base
class of its group from here.
"""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationInfo,
    create_model,
    model_validator,
)

from ae_run import components
from ae_run.errors import UserError
from ae_run.own_code import line_of


class Schema(BaseModel):
    """Base of all configs: frozen, strictly typed, without unknown keys, NaN or infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, values: object, info: ValidationInfo) -> object:
        """Take `1e3`, which YAML reads as a float, where an integer is asked for."""
        if not isinstance(values, Mapping) or (info.context or {}).get("exact"):
            return values
        fields = cls.model_fields
        ints = {name for name in fields if _asks_for_int(fields[name].annotation)}
        return {key: _as_int(value) if key in ints else value for key, value in values.items()}


def _asks_for_int(annotation: object) -> bool:
    """Whether numbers of this type are integers."""
    inside = get_args(annotation)
    if not inside:
        return annotation is int
    return any(map(_asks_for_int, inside)) and not any(one is float for one in inside)


def _as_int(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_as_int(one) for one in value]
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**63
    return int(value) if whole else value  # type: ignore[call-overload]


Line = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1)]
"""Also the size of an array, of which no machine holds more."""
Fraction = Annotated[float, Field(ge=0, le=1)]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]


def _in_a_list(value: object) -> object:
    return [value] if isinstance(value, str | int) else value


ONE_OR_SEVERAL = BeforeValidator(_in_a_list)
"""On the type of a list: one value without brackets is taken as a list of one."""
Positives = Annotated[tuple[Positive, ...], Field(strict=False)]
Naturals = Annotated[tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...], Field(strict=False)]
Pair = Annotated[Naturals, Field(min_length=2, max_length=2)]
Pairs = Annotated[tuple[Pair, ...], Field(strict=False)]
FractionPair = Annotated[tuple[Fraction, Fraction], Field(strict=False)]
FractionPairs = Annotated[tuple[FractionPair, ...], Field(strict=False)]
Levels = Annotated[tuple[Annotated[float, Field(ge=0, le=1e30)], ...], Field(strict=False)]


class ComponentConfig(Schema):
    """Options of a component; `name` is its file's name."""

    name: str


class DataConfig(ComponentConfig):
    """Options of every data set."""

    limit: Positive | None
    validation_fraction: Annotated[float, Field(ge=0, lt=1)]
    split_seed: Annotated[int, Field(ge=0, lt=2**32)]
    binarize: Literal["none", "fixed", "sample"]
    suggested_steps: Positive
    memory: Annotated[float, Field(ge=0)] | None


class FileDataConfig(DataConfig):
    """Options of a data set stored in files below a root folder."""

    root: str | None


class DownloadConfig(FileDataConfig):
    """Options of a data set that can be downloaded."""

    download: bool
    mirrors: Annotated[tuple[str, ...], Field(strict=False), ONE_OR_SEVERAL]


class CorruptionConfig(ComponentConfig):
    """Options of a corruption."""


class ModelConfig(ComponentConfig):
    """Options of every model."""

    latent_dim: Positive
    requires_corruption: bool = Field(default=False, exclude_if=lambda value: not value)


_BASES: dict[str, type[ComponentConfig]] = {
    "data": DataConfig,
    "corruption": CorruptionConfig,
    "model": ModelConfig,
}
_UNCHECKED = {
    group: create_model(f"Any{base.__name__}", __base__=base, __cls_kwargs__={"extra": "allow"})
    for group, base in _BASES.items()
}
"""Components whose options are kept as given, without importing their modules."""


def unchecked(info: ValidationInfo) -> Collection[str]:
    """The component groups whose options this validation leaves unchecked."""
    groups: Collection[str] = (info.context or {}).get("unchecked", ())
    return groups


def _component(group: str) -> BeforeValidator:
    """Validate a mapping with the `Config` of the component that its `name` selects."""

    def validate(value: object, info: ValidationInfo) -> object:
        if not isinstance(value, Mapping):
            return value
        if value.get("name") is None:
            names = ", ".join(components.files(group))
            raise ValueError(
                f"{group}.name: missing; a YAML file of {group} needs a line 'name: …' with one "
                f"of {names}, or 'defaults: [OPTION, _self_]'"
            )
        name = str(value["name"])
        if group in unchecked(info):
            options = {str(key): option for key, option in value.items()}
            return _UNCHECKED[group].model_construct(**options | {"name": name})
        try:
            module = components.module(group, name)
        except UserError as error:
            raise ValueError(str(error)) from None
        base = _BASES[group]
        if not (isinstance(module.Config, type) and issubclass(module.Config, base)):
            where = f"{module.__file__}:{line_of(module.Config)}"
            raise ValueError(f"{where}: Config must be an ae_run.schema.{base.__name__}")
        return module.Config.model_validate(dict(value), context=info.context)

    return BeforeValidator(validate)


AnyData = Annotated[SerializeAsAny[DataConfig], _component("data")]
AnyCorruption = Annotated[SerializeAsAny[CorruptionConfig], _component("corruption")]
AnyModel = Annotated[SerializeAsAny[ModelConfig], _component("model")]


class FiguresConfig(Schema):
    """How figures are drawn."""

    format: Annotated[
        tuple[Literal["png", "pdf", "svg"], ...], Field(strict=False, min_length=1), ONE_OR_SEVERAL
    ]
    style: Literal["default", "paper", "dark"]
    dpi: Annotated[int, Field(ge=30, le=1200)]
    width: Annotated[float, Field(ge=1.5, le=20)] | None
    titles: bool
    dark_page: bool
