"""Schemas of a run folder's own files, which anything may have happened to since they were written.

Keys that are not listed here pass as they are.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

LARGEST = 1e100
"""Larger numbers are no scores, and beyond what can be drawn."""


def is_number(value: object) -> bool:
    """Whether a value is one that a score may have."""
    return isinstance(value, int | float) and abs(value) <= LARGEST


class Part(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")


Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Mappings = dict[str, Any]


class _Facts(Part):
    """`data` in `run.json`."""

    name: str = ""
    fingerprint: str
    images: Count | None = None
    train: Count | None = None
    validation: Count | None = None
    test: Count | None = None
    image_shape: Annotated[list[Count], Field(min_length=3, max_length=3)] | None = None
    skipped: list[str] = []
    twins: dict[str, Count] = {}


class Run(Part):
    """`run.json`."""

    status: str | None = None
    label: str | None = None
    command: str | None = None
    error: str | None = None
    seed: Count | None = None
    device: str | None = None
    device_name: str | None = None
    precision: str | None = None
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None
    parameters: Count | None = None
    data: _Facts | None = None
    versions: dict[str, str] | None = None
    git_revision: str | None = None
    epochs_done: Count | None = None
    epochs_scored: Count | None = None
    epochs_drawn: Count | None = None
    best_epoch: Count | None = None
    stopped_early: str | None = None
    monitor: str | None = None
    train_images_per_second: Number | None = None
    warnings: list[str] = []
    notes: list[str] = []
    code: dict[str, str] = {}
    scored_weights: str | None = None
    phases: dict[str, Number] = {}
    wall_seconds: Number = 0.0


class _Scores(Part):
    """Scores of some images."""

    n: Count | None = None
    components: Count | None = None
    mse: Number | None = None
    psnr_db: Number | None = None
    snr_db: Number | None = None
    ssim: Number | None = None
    bce: Number | None = None
    kl: Number | None = None
    nelbo: Number | None = None
    nelbo_at_mean: Number | None = None
    log_likelihood: Number | None = None


class _Denoising(Part):
    corruption: str
    level_name: str
    level: Number
    curve: str | None = None
    input: _Scores
    output: _Scores
    pca: _Scores | None = None


class _Curve(Part):
    """A robustness curve: a score at every level."""

    corruption: str = ""
    level_name: str = "level"
    levels: Annotated[list[Number], Field(min_length=1)]
    mse: list[Number | None]

    @model_validator(mode="after")
    def _as_long(self) -> "_Curve":
        for name, values in (dict(self) | (self.model_extra or {})).items():
            score = name.removeprefix("input_").removeprefix("pca_")
            if score == "n" or score not in _Scores.model_fields:
                continue
            if not isinstance(values, list) or len(values) != len(self.levels):
                raise ValueError(
                    f"{name}: must be a list of {len(self.levels)}, one for each level"
                )
            if not all(value is None or is_number(value) for value in values):
                raise ValueError(f"{name}: must hold numbers")
        return self


class _Probe(Part):
    """A classifier on codes."""

    accuracy: Number
    confusion: Annotated[list[list[Number]], Field(max_length=10_000)] | None = None

    @model_validator(mode="after")
    def _square(self) -> "_Probe":
        matrix = self.confusion or []
        if any(len(row) != len(matrix) for row in matrix):
            raise ValueError(f"confusion: must have as many columns as rows, {len(matrix)}")
        return self


class _Baselines(Part):
    pca: _Scores | None = None
    mean: _Scores | None = None


class _Denoisers(Part):
    """The run beside classical denoisers: the scores of each under its own name."""

    n: Count
    tuned_on: Count
    best: str

    @model_validator(mode="after")
    def _scored(self) -> "_Denoisers":
        others = self.model_extra or {}
        for name in (self.best, "model"):
            one = others.get(name)
            if not isinstance(one, Mapping) or not is_number(one.get("psnr_db")):
                raise ValueError(f"{name}: must have a psnr_db")
        return self


class _Frechet(Part):
    n: Count
    accuracy: Number
    samples_from: str | None = None
    samples: Number | None = None
    validation: Number | None = None
    pca: Number | None = None


class _Jacobian(Part):
    n: Count
    frobenius: Number
    singular_values: Annotated[list[Number], Field(min_length=1)]


class _Latent(Part):
    samples_from: str | None = None
    correlation: Number | None = None
    weights_penalty: Number | None = None
    jacobian: _Jacobian | None = None


class Metrics(_Scores):
    """`metrics.json`."""

    latent_dim: Count | None = None
    baseline: _Baselines | None = None
    no_density: str = ""
    log_likelihood_se: Number | None = None
    log_likelihood_samples: Count | None = None
    denoising: _Denoising | None = None
    denoisers: _Denoisers | None = None
    robustness: dict[str, _Curve] = {}
    probe: dict[str, _Probe] = {}
    frechet: _Frechet | None = None
    convergence: Mappings | None = None
    latent: _Latent | None = None
    active_units: Count | None = None
    dead_units: Count | None = None
    kl_per_dim: list[Number] | None = None


class _Spread(Part):
    mean: Number
    sd: Number
    values: list[Number] = []


class Replicas(Part):
    """`replicas.json`."""

    seeds: Annotated[list[Count], Field(min_length=1)]
    scores: dict[str, _Spread]


class SavedConfig(Part):
    """The groups of `config.yaml`; what is in them is checked when a run is made of it."""

    data: Mappings | None = None
    corruption: Mappings | None = None
    model: Mappings | None = None
    train: Mappings | None = None
    evaluate: Mappings | None = None
    figures: Mappings | None = None


SCHEMAS: dict[str, type[Part]] = {
    "run.json": Run,
    "metrics.json": Metrics,
    "replicas.json": Replicas,
    "config.yaml": SavedConfig,
}
