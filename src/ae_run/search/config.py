"""Schema of the `search` group; `conf/search/default.yaml` explains its keys."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from ae_run.schema import Positive, Schema


def _auto_or(key: str, low: int) -> PlainValidator:
    def check(value: object) -> object:
        if value == "auto" or (type(value) is int and value >= low):
            return value
        raise ValueError(f"search.{key}={value}: must be auto, or an integer of at least {low}")

    documented = Annotated[int, Field(ge=low)] | Literal["auto"]
    return PlainValidator(check, json_schema_input_type=documented)


_LESS: Literal["minimize"] = "minimize"


class SearchConfig(Schema):
    """What is searched, how, and for how long."""

    name: Annotated[str, Field(pattern=r"^\w[\w.+-]*$")] | None
    storage: str | None
    space: dict[str, Any] | list[str] | str
    sampler: Literal["tpe", "random", "cmaes", "grid", "nsga2"]
    random_trials: Annotated[int, Field(ge=0)]
    pruner: Literal["median", "hyperband", "successive_halving", "none"]
    startup_trials: Annotated[int, Field(ge=0)]
    warmup_epochs: Annotated[int | Literal["auto"], _auto_or("warmup_epochs", 0)]
    reduction_factor: Annotated[int, Field(ge=2)]
    n_trials: Positive
    timeout: Annotated[float, Field(gt=0)] | None
    workers: Annotated[int | Literal["auto"], _auto_or("workers", 1)]
    objective: Literal["train", "probe"]
    direction: Literal["minimize", "maximize"]
    also_minimize: Annotated[tuple[Literal["code_size", "parameters"], ...], Field(strict=False)]
    refit: Literal["train+validation", "train", "none"]
    reconnect_seconds: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _together(self) -> "SearchConfig":
        """Rules that span keys."""
        better = {"train": "minimize", "probe": "maximize"}[self.objective]
        if self.direction != better:
            what = {"train": "a reconstruction score", "probe": "an accuracy"}[self.objective]
            raise ValueError(
                f"search.direction={self.direction}: search.objective={self.objective} is {what}; "
                f"must be {better}"
            )
        if self.also_minimize and self.pruner != "none":
            raise ValueError(
                f"search.pruner={self.pruner}: trials with several objectives "
                "(search.also_minimize) cannot be pruned; set search.pruner=none"
            )
        if self.also_minimize and self.sampler == "cmaes":
            raise ValueError(
                "search.sampler=cmaes: knows one objective only; for search.also_minimize choose "
                "nsga2, tpe, random or grid"
            )
        if self.objective == "probe" and self.also_minimize:
            raise ValueError("search.also_minimize: goes with search.objective=train only")
        if self.objective == "probe" and self.refit == "train+validation":
            raise ValueError(
                "search.refit=train+validation: a probe keeps the encoder's splits; "
                "set search.refit=train or none"
            )
        return self

    @property
    def directions(self) -> list[Literal["minimize", "maximize"]]:
        """One per objective."""
        return [self.direction] + len(self.also_minimize) * [_LESS]
