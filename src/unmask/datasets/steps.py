"""What augmentation is made of: dice, and transforms with the values that the dice gave."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from unmask.errors import ConfigError
from unmask.types import Image

T = TypeVar("T")
Range = tuple[float, float]


@dataclass(frozen=True)
class Step:
    """A transform of `datasets/transforms.py` with drawn values, the same for each picture."""

    do: Callable[..., Image]
    values: tuple[Any, ...] = ()

    def over(self, clip: Sequence[Image]) -> list[Image]:
        """Transform every picture of a clip."""
        return [self.do(picture, *self.values) for picture in clip]


@dataclass(frozen=True)
class ClipStep:
    """A transform that looks at all pictures of a clip before it changes one."""

    do: Callable[..., list[Image]]
    values: tuple[Any, ...] = ()

    def over(self, clip: Sequence[Image]) -> list[Image]:
        """Transform a clip."""
        return self.do(clip, *self.values)


@dataclass(frozen=True, kw_only=True)
class Dice:
    """A generator with the rolls that drawing needs."""

    rng: np.random.Generator = field(default_factory=np.random.default_rng)

    def happens(self, probability: float) -> bool:
        """Roll once, whatever the probability, so that others' rolls stay the same."""
        return bool(self.rng.random() < probability)

    def within(self, bounds: Range) -> float:
        """Uniform."""
        return float(self.rng.uniform(*bounds))

    def about(self, reach: float) -> float:
        """Uniform from -reach to reach."""
        return self.within((-reach, reach))

    def log_within(self, bounds: Range) -> float:
        """Uniform in the logarithm."""
        return math.exp(self.within((math.log(bounds[0]), math.log(bounds[1]))))

    def one_of(self, choices: Sequence[T]) -> T:
        """Each equally likely."""
        return choices[int(self.rng.integers(len(choices)))]

    def seed(self) -> int:
        """A number to start another generator with."""
        return int(self.rng.integers(2**31))


def check_probabilities(config: Any, where: str) -> None:
    """Refuse a configuration whose `p_*` are no probabilities.

    Raises:
        ConfigError: naming the first.
    """
    for entry in fields(config):
        value = getattr(config, entry.name)
        if entry.name.startswith("p_") and not 0 <= value <= 1:
            raise ConfigError(f"{where}.{entry.name} = {value}: a probability lies in [0, 1]")
