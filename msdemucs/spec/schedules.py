"""One value for each level, in four spellings that all expand to a list.

    8                                            the same at every level
    [8, 8, 4, 4]                                 level by level
    {start: 8, at: {2: 16, 4: 32}}               change points: 8 8 16 16 32
    {start: 16, times: 0.5, every: 2, min: 2}    geometric: 16 16 8 8 4
Channels also grow: {start: 48, growth: 2} is 48 96 192 384, each step rounded down to a whole
number and then up to a multiple of round_to.
"""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from msdemucs.spec.base import Section

Handler = Callable[[object], object]
Positive = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(gt=0)]


class ChangePoints(Section):
    """A value that holds until the next change point."""

    start: Positive
    """The value from level 0 on."""
    at: Mapping[int, Positive]
    """Level → the value from that level on."""


class Geometric(Section):
    """A value multiplied every few levels."""

    start: Positive
    """The value at level 0."""
    times: Factor = 1.0
    """The factor of one step; results are rounded down."""
    every: Positive = 1
    """Levels from one step to the next."""
    min: Positive = 1
    """No value falls below this."""


class GrowthChanges(Section):
    """A factor of growth that holds until the next change point."""

    start: Factor
    """The factor from level 0 to level 1, and on."""
    at: Mapping[int, Factor]
    """Level → the factor by which channels grow from that level to the next, and on."""


class Growth(Section):
    """Channels that grow from level to level."""

    start: Positive
    """Channels of level 0."""
    growth: Factor | tuple[Factor, ...] | GrowthChanges = 2.0
    """The factor from one level to the next; a list gives each step its own, {start, at} changes
    it at levels."""
    round_to: Positive = 1
    """Each level's channels are rounded up to a multiple of this."""


FIELDS = ("start", "at", "times", "every", "min", "growth", "round_to")
"""Of all spellings together."""


def _one_sentence(value: object, handler: Handler, spellings: str) -> object:
    # Pydantic reports one error for each member of a union; a person wants one sentence.
    try:
        return handler(_unjsoned(value))
    except ValidationError:
        unknown = [key for key in value if key not in FIELDS] if isinstance(value, dict) else []
        if unknown:
            context = {"name": unknown[0], "fields": ", ".join(FIELDS)}
            raise PydanticCustomError("schedule_field", "has no such field", context) from None
        message = "must be a whole number of at least 1, a list of them, or {spellings}"
        raise PydanticCustomError("schedule", message, {"spellings": spellings}) from None


def _unjsoned(value: object) -> object:
    # A wrapping validator sees plain Python, to which strict mode no longer applies JSON's rules:
    # lists stand for tuples, and the names of levels for numbers.
    if isinstance(value, list):
        return tuple(_unjsoned(item) for item in value)
    if isinstance(value, dict):
        return {
            int(key) if key.isdecimal() else key: _unjsoned(item) for key, item in value.items()
        }
    return value


def _schedule(value: object, handler: Handler) -> object:
    return _one_sentence(
        value, handler, "{start, at: {level: value}} or {start, times, every, min}"
    )


def _channels(value: object, handler: Handler) -> object:
    return _one_sentence(value, handler, "{start, growth, round_to} or {start, at: {level: value}}")


Schedule = Annotated[
    Positive | tuple[Positive, ...] | ChangePoints | Geometric, WrapValidator(_schedule)
]
ChannelSchedule = Annotated[
    Positive | tuple[Positive, ...] | ChangePoints | Growth, WrapValidator(_channels)
]
Number = TypeVar("Number", int, float)
AnySchedule = int | tuple[int, ...] | ChangePoints | Geometric | Growth


def expand(schedule: AnySchedule, depth: int) -> tuple[int, ...]:
    """The schedule's value at each of `depth` levels.

    Raises:
        ValueError: a list of another length, a change point beyond the last level.
    """
    if isinstance(schedule, int):
        return (schedule,) * depth
    if isinstance(schedule, tuple):
        if len(schedule) != depth:
            raise ValueError(f"has {len(schedule)} values for {depth} levels (depth: {depth})")
        return schedule
    if isinstance(schedule, ChangePoints):
        return _changes(schedule.start, schedule.at, depth)
    if isinstance(schedule, Geometric):
        steps = (
            schedule.start * schedule.times ** (level // schedule.every) for level in range(depth)
        )
        return tuple(max(schedule.min, math.floor(value + 1e-9)) for value in steps)
    return _expand_growth(schedule, depth)


def _changes(start: Number, at: Mapping[int, Number], count: int) -> tuple[Number, ...]:
    """The start until the first change point, and so on.

    Raises:
        ValueError: a change point beyond the last level.
    """
    late = [level for level in at if not 0 < level < count]
    if late:
        raise ValueError(f"changes at level {late[0]}, but levels run from 0 to {count - 1}")
    values = [start]
    for level in range(1, count):
        values.append(at.get(level, values[-1]))
    return tuple(values)


def _expand_growth(schedule: Growth, depth: int) -> tuple[int, ...]:
    growth = schedule.growth
    if isinstance(growth, GrowthChanges):
        steps = _changes(growth.start, growth.at, depth - 1) if depth > 1 else ()
    elif isinstance(growth, tuple):
        steps = growth
    else:
        steps = (growth,) * (depth - 1)
    if len(steps) != depth - 1:
        raise ValueError(f"growth has {len(steps)} steps; {depth} levels need {depth - 1}")
    values = [schedule.start]
    for step in steps:
        grown = int(values[-1] * step)
        values.append(max(1, math.ceil(grown / schedule.round_to) * schedule.round_to))
    return tuple(values)
