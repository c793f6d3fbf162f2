"""The parameters of a search space: ranges and choices, by their types in YAML."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ae_run.errors import UserError
from ae_run.messages import nearest
from ae_run.schema import Positive, Schema

if TYPE_CHECKING:
    import optuna

_LARGEST = 1e100
"""Beyond it, the samplers' and the figures' arithmetic overflows."""
Value = bool | int | float | str | None


def _condition(when: object) -> object:
    if isinstance(when, tuple):
        return when
    name, equals, value = str(when).partition("=")
    if not equals or not value:
        raise ValueError(f"when={when}: must be KEY=VALUE")
    return name.strip(), scalar(value)


def _choices(choices: object) -> object:
    if not isinstance(choices, Sequence) or isinstance(choices, str) or not choices:
        raise ValueError("choices: must list at least one value")
    if not all(c is None or isinstance(c, bool | int | float | str) for c in choices):
        raise ValueError(f"choices={choices}: each must be a number, text, true, false or null")
    return tuple(choices)


class _Parameter(Schema):
    """A config key and the values it may take."""

    key: str
    when: Annotated[tuple[str, Value] | None, BeforeValidator(_condition)] = None
    """Searched only while that other parameter has that value."""

    def _written(self, kind: str, *inside: str) -> str:
        text = f"{kind}({','.join(filter(None, inside))})"
        return f"{text} if {self.when[0]}={self.when[1]}" if self.when else text


class Choice(_Parameter):
    """One of several values."""

    type: Literal["categorical"] = "categorical"
    choices: Annotated[tuple[Value, ...], BeforeValidator(_choices)]

    def ends(self) -> tuple[Value, ...]:
        """All choices."""
        return self.choices

    def grid(self) -> list[Value]:
        """All choices."""
        return list(self.choices)

    def summary(self) -> str:
        """As it is written on the command line."""
        return self._written("choice", *("null" if c is None else str(c) for c in self.choices))

    def suggest(self, trial: "optuna.Trial") -> Value:
        """A value for a trial."""
        return trial.suggest_categorical(self.key, list(self.choices))


class _Range(_Parameter):
    """Numbers between two bounds, both included."""

    low: float
    high: float
    log: bool = False
    """Sampled on a logarithmic scale."""
    step: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _together(self) -> "_Range":
        if self.low > self.high:
            raise ValueError(f"low={self.low:.12g} must not be above high={self.high:.12g}")
        if max(abs(self.low), abs(self.high)) > _LARGEST:
            raise ValueError(f"bounds: must lie between -{_LARGEST:g} and {_LARGEST:g}")
        if self.log and 0 < self.low < 1 / _LARGEST:
            raise ValueError(f"low={self.low:.12g}: must be at least {1 / _LARGEST:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low={self.low:.12g}: must be above 0 for a logarithmic scale")
        if self.log and self.step is not None:
            raise ValueError(f"step={self.step:.12g}: does not go with log")
        return self

    def ends(self) -> tuple[Value, ...]:
        """The bounds."""
        return self.low, self.high


class FloatRange(_Range):
    """Floats between two bounds."""

    type: Literal["float"] = "float"

    def ends(self) -> tuple[Value, ...]:
        """The bounds, and a value between them that is no whole number, which keys may refuse."""
        return *super().ends(), math.nextafter(self.low, self.high)

    def grid(self) -> list[Value]:
        """Every value.

        Raises:
            UserError: there are infinitely many.
        """
        if self.step is None:
            raise UserError(
                f"search.space: {self.key}: a grid needs step=… or choice(…) for a float"
            )
        count = int((self.high - self.low) / self.step + 1e-9) + 1
        return [self.low + i * self.step for i in range(count)]

    def summary(self) -> str:
        """As it is written on the command line."""
        step = f"step={self.step:.12g}" if self.step else ""
        kind = "log" if self.log else "float"
        return self._written(kind, f"{self.low:.12g}", f"{self.high:.12g}", step)

    def suggest(self, trial: "optuna.Trial") -> float:
        """A value for a trial."""
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log)


class IntRange(_Range):
    """Integers between two bounds."""

    type: Literal["int"] = "int"
    low: int
    high: int
    step: Positive | None = None

    def grid(self) -> list[Value]:
        """Every value."""
        return list(range(self.low, self.high + 1, self.step or 1))

    def summary(self) -> str:
        """As it is written on the command line."""
        step = f"step={self.step}" if self.step else ""
        return self._written("int", str(self.low), str(self.high), step, "log" * self.log)

    def suggest(self, trial: "optuna.Trial") -> int:
        """A value for a trial."""
        return trial.suggest_int(self.key, self.low, self.high, step=self.step or 1, log=self.log)


Parameter = FloatRange | IntRange | Choice
_KINDS: dict[str, type[_Parameter]] = {"float": FloatRange, "int": IntRange, "categorical": Choice}
_ANY: TypeAdapter[Parameter] = TypeAdapter(Annotated[Parameter, Field(discriminator="type")])


def parameter(key: str, entry: object) -> Parameter:
    """The parameter that a YAML entry describes.

    Raises:
        UserError: the entry is invalid.
    """
    if not isinstance(entry, Mapping):
        wrong = f"{entry}: must be a mapping such as {{type: int, low: 2, high: 10}}"
        raise UserError(f"search.space: {key}: {wrong}")
    given = {name: value for name, value in entry.items() if value is not None}
    try:
        return _ANY.validate_python(given | {"key": key})
    except ValidationError as error:
        wrong = _message(error.errors(include_url=False)[0], str(given.get("type")))
        raise UserError(f"search.space: {key}: {wrong}") from None


def _message(details: ErrorDetails, kind: str) -> str:
    """One of pydantic's errors, as the value and its rule."""
    if kind not in _KINDS:
        return f"type={kind}: must be one of {', '.join(_KINDS)}"
    name, what = str(details["loc"][-1]), details["type"]
    if what == "extra_forbidden":
        options = [field for field in _KINDS[kind].model_fields if field not in ("key", "type")]
        guess = nearest(name, options)
        hint = f"; did you mean '{guess}'?" if guess else ""
        return f"{name}: no such option of {kind}{hint} Choices: {', '.join(options)}"
    if what == "value_error":
        return str(details["ctx"]["error"])
    if what == "missing":
        return f"{name}: missing; give it a value"
    rule = (
        details["msg"]
        .replace("Input should be", "must be")
        .replace("a valid boolean", "true or false")
    )
    rule = rule.replace("a valid integer", "an integer").replace("a valid number", "a number")
    return f"{name}={details['input']}: {rule}"


def scalar(word: str) -> Value:
    """A number, true, false, null or text, as in YAML, except that 1e-4 is a number."""
    word = word.strip()
    known: dict[str, Value] = {"true": True, "false": False, "null": None}
    if word.lower() in known:
        return known[word.lower()]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            pass
    return word.strip("'\"")
