"""Several corruptions in sequence.

The steps have names, so that each can be set, added or removed on the command line:

    ae-run corruption=chain corruption.steps.gaussian.std=0.3
    ae-run corruption=chain +corruption@corruption.steps.dots=salt_pepper
    ae-run corruption=chain '~corruption.steps.occlusion'

A list of steps, each with all its options, is accepted as well as a mapping.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from ae_run import corruptions
from ae_run.randomness import Noise
from ae_run.schema import AnyCorruption, CorruptionConfig, Fraction

LEVEL = "strength"


def _named(steps: object) -> object:
    """A list of steps as a mapping, named by position."""
    if isinstance(steps, list | tuple):
        return {str(place): step for place, step in enumerate(steps, 1)}
    return steps


class Config(CorruptionConfig):
    """Options; `strength` scales every step's own level."""

    strength: Fraction
    steps: Annotated[dict[str, AnyCorruption], Field(min_length=1), BeforeValidator(_named)]

    @model_validator(mode="after")
    def _new_noise(self) -> "Config":
        for name, step in self.steps.items():
            if corruptions.is_fixed(step):
                raise ValueError(
                    f"corruption.steps.{name}.fixed=true: not allowed in a chain; use "
                    f"corruption={step.name} on its own, or fixed=false"
                )
        return self


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:
    """The images after all steps, in order; the identity at strength 0."""
    if config.strength == 0:
        return images
    for step in config.steps.values():
        scaled = corruptions.at_level(step, config.strength * corruptions.level(step))
        images = corruptions.build(scaled)(images, noise)
    return images
