"""What the records of a journal may hold: Optuna checks nothing that it reads.

Keys that are not listed here pass as they are.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ae_run import messages
from ae_run.saved_schemas import Count

_COMPLETE = 1
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Owner(_Part):
    host: str
    pid: int
    folder: str | None = None
    session: str | None = None


class _Facts(_Part):
    worker: str | None = None
    parameters: Count | None = None
    threads: Count | None = None
    epochs: Count | None = None
    stage_epochs: Count | None = None
    best_epoch: Count | None = None
    score: Finite | None = None
    seconds: Finite | None = None


class _TrialAttributes(_Part):
    owner: _Owner | None = None
    retry_of: Count | None = None
    deaths: Count = 0
    stopped: bool = False
    reason: str = ""
    facts: _Facts | None = None


class _StudyAttributes(_Part):
    identity: dict[str, Any] | None = None
    total: Count = 0

    @model_validator(mode="after")
    def _sessions(self) -> "_StudyAttributes":
        for key, times in (self.model_extra or {}).items():
            if key.startswith("session:"):
                _TIMES.validate_python(times)
        return self


_TIMES = TypeAdapter(Annotated[list[Finite], Field(min_length=2, max_length=2)])


class _Scored(_Part):
    """The state of a trial, which has values once it is complete."""

    state: Annotated[int, Field(ge=0, le=4)]
    values: list[Finite] | None = None
    value: Finite | None = None

    @model_validator(mode="after")
    def _with_values(self) -> "_Scored":
        if self.state == _COMPLETE and not self.values and self.value is None:
            raise ValueError("values: missing in a complete trial")
        return self


class _Created(_Scored):
    study_id: Count
    state: Annotated[int, Field(ge=0, le=4)] = 0
    params: dict[str, Any] = {}
    user_attrs: _TrialAttributes = _TrialAttributes()
    system_attrs: dict[str, Any] = {}
    intermediate_values: dict[str, Finite] = {}


class _Set(_Part):
    trial_id: Count


class _State(_Set, _Scored):
    pass


class _Step(_Set):
    step: Count
    intermediate_value: float


class _Parameter(_Set):
    param_name: str
    param_value_internal: Finite


class _OfTrial(_Set):
    user_attr: _TrialAttributes


class _OfStudy(_Part):
    study_id: Count
    user_attr: _StudyAttributes


class _New(_Part):
    study_name: str
    directions: Annotated[list[Literal[1, 2]], Field(min_length=1)]


_BY_OPERATION: dict[int, type[_Part]] = {
    0: _New,
    2: _OfStudy,
    4: _Created,
    5: _Parameter,
    6: _State,
    7: _Step,
    8: _OfTrial,
}


def check(record: Any) -> None:
    """Refuse a record that no search has written.

    Raises:
        ValueError: says what is wrong with it.
    """
    if not isinstance(record, dict) or not isinstance(record.get("op_code"), int):
        raise ValueError("a record must be an object with an op_code")
    schema = _BY_OPERATION.get(record["op_code"])
    if schema is None:
        return
    try:
        schema.model_validate(record)
    except ValidationError as error:
        raise ValueError(messages.validation_error(error.errors()[0], ())[:300]) from None
