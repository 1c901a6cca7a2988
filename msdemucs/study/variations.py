"""What a varied field may become: named or plain choices, or a range of numbers."""

import builtins
import json
import math
from collections.abc import Iterator
from typing import Self

import optuna
from pydantic import JsonValue, field_validator, model_validator

from msdemucs.spec.base import Section

Scalar = str | int | float | bool | None


class Variation(Section):
    """The values of one field: exactly one of `choice`, `int` and `float`."""

    choice: JsonValue = None
    """A list of values, or names with their values: `{wide: 64, narrow: 16}`."""

    int: tuple[builtins.int, ...] | None = None
    """The smallest and the largest whole number, both included."""

    float: tuple[builtins.float, ...] | None = None
    """The smallest and the largest number, both included."""

    step: builtins.int | builtins.float | None = None
    """The distance between neighbouring numbers of a range; not together with `log`."""

    log: bool = False
    """Draw the logarithm evenly, for ranges over powers of ten."""

    @field_validator("choice")
    @classmethod
    def _some_choices(cls, choice: JsonValue) -> JsonValue:
        if choice is not None and not isinstance(choice, list | dict):
            raise ValueError("must be a list of values, or names with values")
        if choice is not None and not choice:
            raise ValueError("needs at least one value, found none")
        labels = [] if choice is None else [label for label, _ in _pairs(choice)]
        twice = {str(label) for label in labels if labels.count(label) > 1}
        if twice:
            raise ValueError(f"a value is given twice; found {', '.join(sorted(twice))} again")
        return choice

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("choice", "int", "float") if getattr(self, name) is not None]
        if len(ways) != 1:
            found = " and ".join(ways) or "none of them"
            raise ValueError(f"needs exactly one of choice, int and float; found {found}")
        if ways == ["choice"] and (self.log or self.step is not None):
            raise ValueError("log and step belong to int and float; found them beside choice")
        if ways != ["choice"]:
            self._check_range()
        return self

    def _check_range(self) -> None:
        bounds = self.int if self.int is not None else self.float
        assert bounds is not None
        if len(bounds) != 2 or not bounds[0] < bounds[1]:
            raise ValueError(f"a range is [low, high] with low < high; found {list(bounds)}")
        if self.log and self.step is not None:
            raise ValueError("a range has either a step or log; found both")
        if self.log and bounds[0] <= 0:
            raise ValueError(f"a range with log must begin above 0; found {list(bounds)}")
        if self.step is not None and not 0 < self.step <= bounds[1] - bounds[0]:
            raise ValueError(f"the step must be above 0 and fit the range; found {self.step}")
        if self.int is not None and not isinstance(self.step, builtins.int | None):
            raise ValueError(f"the step of an int range is a whole number; found {self.step}")

    @property
    def options(self) -> list[tuple[Scalar, JsonValue]]:
        """Every choice as (what Optuna stores, the value); empty for a range."""
        return [] if self.choice is None else list(_pairs(self.choice))

    @property
    def distribution(self) -> optuna.distributions.BaseDistribution:
        """The Optuna distribution; choices that are no scalars stand under a readable name."""
        if self.int is not None:
            low, high = self.int
            step = builtins.int(self.step or 1)
            return optuna.distributions.IntDistribution(low, high, log=self.log, step=step)
        if self.float is not None:
            bottom, top = self.float
            return optuna.distributions.FloatDistribution(bottom, top, log=self.log, step=self.step)
        return optuna.distributions.CategoricalDistribution([label for label, _ in self.options])

    def suggest(self, trial: optuna.Trial, field: str) -> JsonValue:
        """The value that the sampler picks for a field of this trial."""
        distribution = self.distribution
        if isinstance(distribution, optuna.distributions.CategoricalDistribution):
            return self.value_of(trial.suggest_categorical(field, distribution.choices))
        if isinstance(distribution, optuna.distributions.IntDistribution):
            low, high = distribution.low, distribution.high
            return trial.suggest_int(field, low, high, step=distribution.step, log=self.log)
        assert self.float is not None
        return trial.suggest_float(field, *self.float, step=self.step, log=self.log)

    def value_of(self, label: Scalar) -> JsonValue:
        """The value that stands behind what Optuna stores."""
        for name, value in self.options:
            if name == label and isinstance(name, bool) == isinstance(label, bool):
                return value
        return label

    def corners(self) -> list[JsonValue]:
        """The values to try before a study begins: every choice, or both ends of a range."""
        return [value for _, value in self.options] or [*(self.int or ()), *(self.float or ())]

    def contains(self, number: object) -> bool:
        """Whether a range can express a number."""
        if isinstance(number, bool) or not isinstance(number, builtins.int | builtins.float):
            return False
        if self.int is not None and not isinstance(number, builtins.int):
            return False
        low, high = self.int or self.float or (math.inf, -math.inf)
        steps = 0.0 if self.step is None else (number - low) / self.step
        return low <= number <= high and abs(steps - round(steps)) < 1e-9


def _pairs(choice: JsonValue) -> Iterator[tuple[Scalar, JsonValue]]:
    """(label, value) of each choice: lists and mappings read as their JSON."""
    if isinstance(choice, dict):
        yield from choice.items()
    elif isinstance(choice, list):
        for value in choice:
            is_plain = not isinstance(value, list | dict)
            yield (value if is_plain else json.dumps(value, ensure_ascii=False)), value  # type: ignore[misc]
