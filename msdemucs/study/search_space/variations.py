"""Varied fields: what each may become, under which conditions, and which combinations there are.

A field becomes one of some choices, a number of a range, or some members of a list. With `when` it
is varied only where other varied fields have certain values; else it stays as the base has it.
"""

import builtins
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal, Self

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial
from pydantic import Field, JsonValue, field_validator, model_validator

from msdemucs.spec import nearest
from msdemucs.spec.sections import Section

Scalar = str | int | float | bool | None
Choices = list[JsonValue] | dict[str, JsonValue] | None


Ways = Literal["choice", "int", "float", "subset"]
MOST_SELECTIONS = 64
"""As many choices as samplers still learn well: one choice a selection found fronts as good as one
yes or no a member up to 41 selections, and worse ones at 127 (simulated, 40 and 80 trials)."""

LARGEST = 2**53
"""Of a range's whole numbers: storages keep them as floats, which are exact up to here."""

WAYS: tuple[Ways, ...] = ("choice", "int", "float", "subset")


class Variation(Section):
    """The values of one field: exactly one of `choice`, `int`, `float` and `subset`."""

    choice: list[JsonValue] | dict[str, JsonValue] | None = None
    """A list of values, or names with their values: `{wide: 64, narrow: 16}`. A value may be a
    whole section, or null for none."""

    int: tuple[Annotated[builtins.int, Field(ge=-LARGEST, le=LARGEST)], ...] | None = None
    """The smallest and the largest whole number, both included."""

    float: tuple[builtins.float, ...] | None = None
    """The smallest and the largest number, both included."""

    step: builtins.int | builtins.float | None = None
    """The distance between neighbouring numbers of a range; not together with `log`."""

    log: bool = False
    """Draw the logarithm evenly, for ranges over powers of ten."""

    subset: list[JsonValue] | dict[str, JsonValue] | None = None
    """A list's possible members, or names with them: every selection of them is a choice, its
    members in this order, called “1024+4096”."""

    least: Annotated[builtins.int, Field(ge=0)] | None = None
    """The fewest members of a subset; one when not given."""

    most: Annotated[builtins.int, Field(ge=1)] | None = None
    """The most members of a subset; all of them when not given."""

    when: Mapping[str, JsonValue] = {}
    """Other varied fields → the value, or a list of values, with which this one is varied at all;
    else it stays as the base has it. Of a subset: a member that must be chosen."""

    @field_validator("choice", "subset", mode="before")
    @classmethod
    def _listed(cls, choice: object) -> object:
        if choice is not None and not isinstance(choice, list | dict):
            raise ValueError("must be a list of values, or names with values")
        return choice

    @field_validator("step", mode="before")
    @classmethod
    def _number(cls, step: object) -> object:
        if step is not None and type(step) not in (builtins.int, builtins.float):
            raise ValueError(f"must be a number; found {json.dumps(step, ensure_ascii=False)}")
        return step

    @field_validator("choice", "subset")
    @classmethod
    def _some_choices(cls, choice: Choices) -> Choices:
        if choice is not None and not choice:
            raise ValueError("needs at least one value, found none")
        labels = [] if choice is None else [label for label, _ in _pairs(choice)]
        twice = {str(label) for label in labels if labels.count(label) > 1}
        if twice:
            raise ValueError(f"a value is given twice; found {', '.join(sorted(twice))} again")
        return choice

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in WAYS if getattr(self, name) is not None]
        if len(ways) != 1:
            found = " and ".join(ways) or "none of them"
            raise ValueError(f"needs exactly one of choice, int, float and subset; found {found}")
        is_range = ways[0] in ("int", "float")
        if not is_range and (self.log or self.step is not None):
            raise ValueError(f"log and step belong to int and float; found them beside {ways[0]}")
        if self.subset is None and (self.least, self.most) != (None, None):
            raise ValueError(f"least and most belong to subset; found them beside {ways[0]}")
        if self.subset is not None:
            least, most = self._sizes
            if not least <= most <= len(self.subset):
                raise ValueError(
                    f"needs least ≤ most ≤ the number of members, {len(self.subset)}; found "
                    f"{least} and {most}"
                )
            count = sum(math.comb(len(self.subset), size) for size in range(least, most + 1))
            if count > MOST_SELECTIONS:
                raise ValueError(
                    f"at most {MOST_SELECTIONS} selections can be told apart; found {count}: lower "
                    "most, or raise least"
                )
        if is_range:
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
        if self.step is not None and not self.contains(bounds[1]):
            last = bounds[0] + math.floor((bounds[1] - bounds[0]) / self.step) * self.step
            raise ValueError(
                f"the step must divide the range; found {self.step}, of which the last number up "
                f"to {bounds[1]} is {last:g}"
            )

    @property
    def way(self) -> Ways:
        """Which of the fields says what it may become."""
        return next(name for name in WAYS if getattr(self, name) is not None)

    @property
    def _sizes(self) -> tuple[builtins.int, builtins.int]:
        """The fewest and the most members of a subset."""
        most = len(self.subset or ()) if self.most is None else self.most
        return (1 if self.least is None else self.least), most

    @property
    def options(self) -> list[tuple[Scalar, JsonValue]]:
        """Every choice as (what Optuna stores, the value); empty for a range."""
        if self.subset is None:
            return [] if self.choice is None else list(_pairs(self.choice))
        pairs, (least, most) = list(_pairs(self.subset)), self._sizes
        selections = (
            selection
            for size in range(least, most + 1)
            for selection in itertools.combinations(pairs, size)
        )
        return [
            ("+".join(str(name) for name, _ in selection) or "none", [v for _, v in selection])
            for selection in selections
        ]

    @property
    def distribution(self) -> optuna.distributions.BaseDistribution:
        """The Optuna distribution; choices that are no scalars stand under a readable name."""
        if self.int is not None:
            low, high = self.int
            step = builtins.int(self.step or 1)
            return IntDistribution(low, high, log=self.log, step=step)
        if self.float is not None:
            bottom, top = self.float
            return FloatDistribution(bottom, top, log=self.log, step=self.step)
        return CategoricalDistribution([label for label, _ in self.options])

    def suggest(self, trial: optuna.Trial, field: str) -> JsonValue:
        """The value that the sampler picks for a field of this trial."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return self.value_of(trial.suggest_categorical(field, distribution.choices))
        if isinstance(distribution, IntDistribution):
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

    def holds(self, condition: JsonValue, value: JsonValue) -> bool:
        """Whether a drawn value of this field is one that another's `when` asks for."""
        label = next((label for label, option in self.options if option == value), value)
        members = {str(name): member for name, member in _pairs(self.subset or [])}
        return any(
            (named == label and isinstance(named, bool) == isinstance(label, bool))  # 1 is not true
            or (
                isinstance(value, list)
                and bool(members)
                and members.get(str(named), named) in value
            )
            for named in _several(condition)
        )

    def allows(self, condition: JsonValue) -> JsonValue:
        """A value that can be drawn and is what another's `when` asks for.

        Raises:
            ValueError: there is none.
        """
        values = [value for _, value in self.options if self.holds(condition, value)]
        if not self.options:
            values = [number for number in _several(condition) if self.contains(number)]
        if not values:
            labels = ", ".join(_shown(label) for label, _ in self.options[:12])
            possible = labels or "from {} to {}".format(*(self.int or self.float or ()))
            raise ValueError(f"never is {_shown(condition)}; it can be {possible}")
        return values[0]

    def corners(self) -> list[JsonValue]:
        """The values to try before a study begins: every choice, or both ends of a range."""
        return [value for _, value in self.options] or [*(self.int or ()), *(self.float or ())]

    @property
    def n_values(self) -> builtins.int | None:
        """How many values Optuna may store; None for infinitely many numbers."""
        if self.options:
            return len(self.options)
        if self.int is None and self.step is None:
            return None
        low, high = self.int or self.float or (0, 0)
        return math.floor((high - low) / (self.step or 1) + 1e-9) + 1

    @property
    def values(self) -> list[Scalar] | None:
        """Everything that Optuna may store; None for infinitely many numbers."""
        if self.options:
            return [label for label, _ in self.options]
        if self.n_values is None:
            return None
        low, high = self.int or self.float or (0, 0)  # 0.1 + 2 * 0.1 is above 0.3
        return [min(low + index * (self.step or 1), high) for index in range(self.n_values)]

    def contains(self, number: object) -> bool:
        """Whether a range can express a number."""
        if isinstance(number, bool) or not isinstance(number, builtins.int | builtins.float):
            return False
        if self.int is not None and not isinstance(number, builtins.int):
            return False
        low, high = self.int or self.float or (math.inf, -math.inf)
        steps = 0.0 if self.step is None else (number - low) / self.step
        return low <= number <= high and abs(steps - round(steps)) < 1e-9 * max(1.0, steps)


def _shown(value: JsonValue) -> str:
    """A value as a YAML author writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _several(condition: JsonValue) -> list[JsonValue]:
    """The values that a condition asks for: one alone, or a list of them."""
    return condition if isinstance(condition, list) else [condition]


def _pairs(choice: list[JsonValue] | dict[str, JsonValue]) -> Iterator[tuple[Scalar, JsonValue]]:
    """(label, value) of each choice: lists and mappings read as their JSON."""
    if isinstance(choice, dict):
        yield from choice.items()
        return
    for value in choice:
        if isinstance(value, list | dict):
            yield json.dumps(value, ensure_ascii=False), value
        else:
            yield value, value


Vary = Mapping[str, Variation]
"""The varied fields of a search space."""


def in_order(vary: Vary) -> list[str]:
    """The varied fields, each after those that its condition names; else as they were written."""
    left, ordered = list(vary), list[str]()
    while left:
        ready = [field for field in left if not set(vary[field].when) & set(left)]
        ordered += ready[:1] or left  # conditions in a circle are refused elsewhere
        left = [field for field in left if field not in ordered]
    return ordered


def is_varied(vary: Vary, field: str, drawn: Mapping[str, JsonValue]) -> bool:
    """Whether a field's condition holds, given the values that were drawn before it."""
    return all(
        other in drawn and vary[other].holds(wanted, drawn[other])
        for other, wanted in vary[field].when.items()
    )


def fault(vary: Vary, field: str) -> tuple[str, str, str] | None:
    """(the field at fault inside a condition, what is wrong with it, a hint); None for nothing."""
    for other, wanted in vary[field].when.items():
        if other not in vary:
            return other, f"there is no varied field “{other}”", nearest(other, sorted(vary))
        if other in _depends_on(vary, other) or field in {other, *_depends_on(vary, other)}:
            return other, "conditions go in a circle", ""
        if wanted == []:
            return other, "needs a value, or a list of some", ""
        for value in _several(wanted):
            try:
                vary[other].allows(value)
            except ValueError as error:
                return other, f"{other} {error}", ""
    return None


def required(vary: Vary, field: str) -> dict[str, JsonValue]:
    """Values of other fields with which a field is varied."""
    values: dict[str, JsonValue] = {}
    for other, wanted in vary[field].when.items():
        values |= {**required(vary, other), other: vary[other].allows(wanted)}
    return values


def _depends_on(vary: Vary, field: str) -> set[str]:
    """All fields that a field's condition needs, directly or through others."""
    needed: set[str] = set()
    waiting: Iterable[str] = vary[field].when
    while waiting:
        new = {other for other in waiting if other in vary} - needed
        needed |= new
        waiting = [further for other in new for further in vary[other].when]
    return needed


def combinations(vary: Vary) -> Iterator[dict[str, Scalar]]:
    """Every combination of what Optuna stores for a finite space; fields not varied are absent."""

    def further(
        fields: Sequence[str], labels: dict[str, Scalar], drawn: Mapping[str, JsonValue]
    ) -> Iterator[dict[str, Scalar]]:
        if not fields:
            yield labels
        elif not is_varied(vary, fields[0], drawn):
            yield from further(fields[1:], labels, drawn)
        else:
            field, variation = fields[0], vary[fields[0]]
            for label in variation.values or ():
                value = variation.value_of(label)
                yield from further(fields[1:], {**labels, field: label}, {**drawn, field: value})

    return further(in_order(vary), {}, {})


def as_key(params: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Parameters as something that can be compared: floats to nine digits."""
    return tuple(
        (name, f"{value:.9g}" if isinstance(value, float) else repr(value))
        for name, value in sorted(params.items())
    )


def untried(vary: Vary, trials: Sequence[FrozenTrial]) -> Iterator[dict[str, Scalar]]:
    """Every combination that no trial has, not even one that is only enqueued."""
    tried = {as_key({**t.system_attrs.get("fixed_params", {}), **t.params}) for t in trials}
    return (params for params in combinations(vary) if as_key(params) not in tried)
