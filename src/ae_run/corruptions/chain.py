"""Several corruptions, one after the other.

The steps have names, so that each can be set, added and left out on the command line:

    ae-run corruption=chain corruption.steps.gaussian.std=0.3
    ae-run corruption=chain +corruption@corruption.steps.dots=salt_pepper
    ae-run corruption=chain '~corruption.steps.occlusion'

In place of the mapping a list of steps, each with all its options, does as well.
"""

from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from ae_run import corruptions
from ae_run.randomness import Noise
from ae_run.schema import AnyCorruption, CorruptionConfig, Fraction

LEVEL = "strength"


def _named(steps: object) -> object:
    """A list of steps as a mapping, their places for names."""
    if isinstance(steps, list | tuple):
        return {str(place): step for place, step in enumerate(steps, 1)}
    return steps


class Config(CorruptionConfig):
    """Options; `strength` is a factor on every step's own level."""

    strength: Fraction
    steps: Annotated[dict[str, AnyCorruption], Field(min_length=1), BeforeValidator(_named)]

    @model_validator(mode="after")
    def _new_noise(self) -> "Config":
        for name, step in self.steps.items():
            if corruptions.is_fixed(step):
                raise ValueError(
                    f"corruption.steps.{name}.fixed=true: not in a chain; choose "
                    f"corruption={step.name} alone, or fixed=false"
                )
        return self


def corrupt(config: Config, images: Tensor, noise: Noise) -> Tensor:
    """Images after all steps, in order; at strength 0 the identity."""
    if config.strength == 0:
        return images
    for step in config.steps.values():
        scaled = corruptions.at_level(step, config.strength * corruptions.level(step))
        images = corruptions.build(scaled)(images, noise)
    return images
