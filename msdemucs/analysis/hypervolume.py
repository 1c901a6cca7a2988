"""How a study came to its front: the hypervolume after each of its trials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log

import moocore

from msdemucs.analysis.measure import Measure
from msdemucs.analysis.pareto import non_dominated
from msdemucs.analysis.pooling import Repeats
from msdemucs.analysis.trials import (
    Row,
    exceeded_constraints,
    is_baseline,
    number,
    trial_number,
)

LOG_FROM_RATIO = 3.0
"""A positive cost whose largest value is this many times its smallest counts by its logarithm."""

BEYOND = 0.1
"""How far the reference point lies beyond the worst, as a share of the span of all trials."""

FEWEST_TRIALS = 3
"""Trials with all the numbers below which a hypervolume says nothing."""


@dataclass(frozen=True)
class HypervolumeTrace:
    """The hypervolume of a search, or of its random control, after each of its trials.

    Attributes:
        name: whose it is.
        trials: how many of its trials had ended.
        steps: how many steps they had trained, together.
        volumes: the dominated share of the box from the best of each number to a little beyond
            the worst, the baselines included from the start.
    """

    name: str
    trials: tuple[int, ...]
    steps: tuple[float, ...]
    volumes: tuple[float, ...]


@dataclass(frozen=True)
class BoxSide:
    """One number's side of the box that hypervolumes are shares of."""

    best: float
    worst: float
    is_log: bool

    def place(self, value: float) -> float:
        """1 at the best, 0 a little beyond the worst: there even the worst counts for something."""
        best, worst, at = (log(v) if self.is_log else v for v in (self.best, self.worst, value))
        worst += BEYOND * (worst - best)
        return (at - worst) / (best - worst) if best != worst else 1.0


def box_side(values: Sequence[float], measure: Measure) -> BoxSide:
    """The side over all values of a number; a cost of very different values by its logarithm."""
    low, high = min(values), max(values)
    is_log = measure.may_be_log and low > 0 and high / low >= LOG_FROM_RATIO
    return (
        BoxSide(low, high, is_log)
        if measure.direction == "minimize"
        else BoxSide(high, low, is_log)
    )


def hypervolume_traces(
    rows: Sequence[Row], places: Mapping[int, tuple[float, ...]], repeats: Sequence[Repeats]
) -> tuple[HypervolumeTrace, ...]:
    """The search's trace, and that of the random control arm where there is one.

    Args:
        rows: all trials, in the order in which they ended.
        places: as `box_places` gives them.
        repeats: which trials differ by their seeds alone.
    """
    if len(places) < FEWEST_TRIALS:
        return ()
    arms = {trial: arm.trial for arm in repeats for trial in arm.trials}
    ended = [row for row in rows if row["state"] not in ("waiting", "running")]
    sampled = [row for row in ended if not is_baseline(row)]
    control = [row for row in sampled if row.get("is_control") is True]
    searched = [row for row in sampled if row.get("is_control") is not True]
    start = [arms.get(trial_number(row)) for row in ended if is_baseline(row)]
    return tuple(
        _trace(name, members, start, _last_of_arms(members, arms), places)
        for name, members in (("search", searched), ("random control", control))
        if members
    )


def _last_of_arms(rows: Sequence[Row], arms: Mapping[int, int]) -> dict[int, int]:
    """Trial → arm, for the last trial of each arm among the rows."""
    last = {arms[trial]: trial for row in rows if (trial := trial_number(row)) in arms}
    return {trial: arm for arm, trial in last.items()}


def box_places(rows: Sequence[Row], measures: Sequence[Measure]) -> dict[int, tuple[float, ...]]:
    """Where each spec with all the numbers lies in the box, by the trial that stands for it.

    References beyond a constraint have no place.

    Args:
        rows: complete trials, one a spec, with the mean of its trainings.
        measures: the sides of the box.
    """
    values = {
        trial_number(row): [number(row, measure.column) for measure in measures]
        for row in rows
        if not exceeded_constraints(row)
    }
    known = {trial: numbers for trial, numbers in values.items() if all(map(isfinite, numbers))}
    if not known:
        return {}
    columns = zip(*known.values(), strict=True)
    sides = [box_side(column, measure) for column, measure in zip(columns, measures, strict=True)]
    return {
        trial: tuple(side.place(value) for side, value in zip(sides, numbers, strict=True))
        for trial, numbers in known.items()
    }


def _trace(
    name: str,
    rows: Sequence[Row],
    start: Sequence[int | None],
    ended: Mapping[int, int],
    places: Mapping[int, tuple[float, ...]],
) -> HypervolumeTrace:
    """A trace from the arms that are known at its start; others count from their last trial."""
    front: list[tuple[float, ...]] = []
    reached = 0.0
    for arm in start:
        if arm is not None and _add(front, places.get(arm)):
            reached = _volume(front)
    steps, volumes, spent = [0.0], [reached], 0.0
    for row in rows:
        taken = number(row, "steps")
        spent += taken if isfinite(taken) else 0.0
        if _add(front, places.get(ended.get(trial_number(row), -1))):
            reached = _volume(front)
        steps.append(spent)
        volumes.append(reached)
    return HypervolumeTrace(name, tuple(range(len(rows) + 1)), tuple(steps), tuple(volumes))


def _volume(front: Sequence[Sequence[float]]) -> float:
    """Between the origin and a front."""
    return float(moocore.hypervolume(front, ref=[0.0] * len(front[0]), maximise=True))


def _add(front: list[tuple[float, ...]], point: tuple[float, ...] | None) -> bool:
    """Whether a front takes a point in; what the point beats is dropped."""
    if point is None or point in front:
        return False
    points = [*front, point]
    is_on = non_dominated(points, ["maximize"] * len(point))
    front[:] = [other for other, is_kept in zip(points, is_on, strict=True) if is_kept]
    return bool(is_on[-1])
