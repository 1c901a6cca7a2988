"""How a study came to its front: hypervolume by trial and by step, and fronts at the rungs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log

import moocore

from msdemucs.report.findings import main_cost
from msdemucs.report.frames import (
    Row,
    complete_rows,
    is_baseline,
    mapping_of,
    number,
    quality_of,
    rows_of,
    trial_number,
)
from msdemucs.report.fronts import Trade, beyond
from msdemucs.report.measures import Measure, measure_of
from msdemucs.study.analysis.pooling import pooled, repeats_of
from msdemucs.study.records import StudyRecord
from msdemucs.study.space.pareto import non_dominated

LOG_FROM_RATIO = 3.0
"""A positive cost whose largest value is this many times its smallest counts by its logarithm."""

BEYOND = 0.1
"""How far the reference point lies beyond the worst, as a share of the span of all trials."""

FEWEST_TRIALS = 3
"""Trials with all the numbers below which a hypervolume says nothing."""


@dataclass(frozen=True)
class Climb:
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
class Side:
    """One number's side of the box that hypervolumes are shares of."""

    best: float
    worst: float
    is_log: bool

    def place(self, value: float) -> float:
        """1 at the best, 0 a little beyond the worst: there even the worst counts for something."""
        best, worst, at = (log(v) if self.is_log else v for v in (self.best, self.worst, value))
        worst += BEYOND * (worst - best)
        return (at - worst) / (best - worst) if best != worst else 1.0


def side_of(values: Sequence[float], measure: Measure) -> Side:
    """The side over all values of a number; a cost of very different values by its logarithm."""
    low, high = min(values), max(values)
    is_log = measure.may_be_log and low > 0 and high / low >= LOG_FROM_RATIO
    return Side(low, high, is_log) if measure.direction == "minimize" else Side(high, low, is_log)


def volume_measures(record: StudyRecord) -> tuple[Measure, ...]:
    """What hypervolumes are over: all objectives; quality and main cost where there is but one."""
    if len(record.directions) > 1:
        return tuple(measure_of(column, record) for column in record.directions)
    return quality_of(record), main_cost(record)


def climbs_of(record: StudyRecord) -> tuple[Climb, ...]:
    """The search's climb, and that of the random control arm where there is one."""
    places = places_of(record)
    if len(places) < FEWEST_TRIALS:
        return ()
    arms = {trial: arm.trial for arm in repeats_of(record) for trial in arm.trials}
    rows = [row for row in rows_of(record) if row["state"] not in ("waiting", "running")]
    sampled = [row for row in rows if not is_baseline(row)]
    control = [row for row in sampled if row.get("is_control") is True]
    searched = [row for row in sampled if row.get("is_control") is not True]
    start = [row for row in rows if is_baseline(row)]
    named = (("search", searched), ("random control", control))
    return tuple(
        _climb(name, own, [arms.get(trial_number(row)) for row in start], _ended(own, arms), places)
        for name, own in named
        if own
    )


def _ended(rows: Sequence[Row], arms: Mapping[int, int]) -> dict[int, int]:
    """Trial → arm, for the last trial of each arm among the rows."""
    last = {arms[trial]: trial for row in rows if (trial := trial_number(row)) in arms}
    return {trial: arm for arm, trial in last.items()}


def places_of(record: StudyRecord) -> dict[int, tuple[float, ...]]:
    """Where each spec with all the numbers lies in the box, by the trial that stands for it.

    Trainings of one spec are one place, that of their mean; references beyond a constraint have
    none.
    """
    measures = volume_measures(record)
    values = {
        trial_number(row): [number(row, measure.column) for measure in measures]
        for row in complete_rows(pooled(record))
        if not beyond(row)
    }
    known = {trial: own for trial, own in values.items() if all(map(isfinite, own))}
    if not known:
        return {}
    columns = zip(*known.values(), strict=True)
    sides = [side_of(own, measure) for own, measure in zip(columns, measures, strict=True)]
    return {
        trial: tuple(side.place(value) for side, value in zip(sides, own, strict=True))
        for trial, own in known.items()
    }


def _climb(
    name: str,
    own: Sequence[Row],
    start: Sequence[int | None],
    ended: Mapping[int, int],
    places: Mapping[int, tuple[float, ...]],
) -> Climb:
    """A climb from the arms that are known at its start; others count from their last trial."""
    front: list[tuple[float, ...]] = []
    reached = 0.0
    for arm in start:
        if arm is not None and _add(front, places.get(arm)):
            reached = _volume(front)
    steps, volumes, spent = [0.0], [reached], 0.0
    for row in own:
        taken = number(row, "steps")
        spent += taken if isfinite(taken) else 0.0
        if _add(front, places.get(ended.get(trial_number(row), -1))):
            reached = _volume(front)
        steps.append(spent)
        volumes.append(reached)
    return Climb(name, tuple(range(len(own) + 1)), tuple(steps), tuple(volumes))


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


@dataclass(frozen=True)
class RungFront:
    """What the trials that reached a rung had attained there.

    Attributes:
        step: of the rung.
        trials: on the front at that step, by cost.
        x: their costs.
        y: their qualities at that step, the mean over their seeds.
        n: how many trials reached it.
    """

    step: int
    trials: tuple[int, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    n: int


def rung_fronts(record: StudyRecord, trade: Trade) -> tuple[RungFront, ...]:
    """The front at every rung that two trials or more have reached, by step."""
    rungs = pooled(record).rungs
    rungs = rungs[rungs["quality"] == trade.y.column]
    costs = {
        trial_number(row): number(row, trade.x.column)
        for row in rows_of(pooled(record))
        if not beyond(row)
    }
    fronts = []
    for step, own in rungs.groupby("step"):
        means = own.groupby("trial")["value"].mean()
        reached = [
            (costs[int(str(trial))], float(value), int(str(trial)))
            for trial, value in means.items()
            if isfinite(costs.get(int(str(trial)), float("nan"))) and isfinite(value)
        ]
        if len(reached) < 2:
            continue
        reached.sort()
        on = non_dominated([point[:2] for point in reached], (trade.x.direction, trade.y.direction))
        front = [point for point, is_on in zip(reached, on, strict=True) if is_on]
        x, y, trials = zip(*front, strict=True)
        fronts.append(RungFront(int(str(step)), trials, x, y, len(reached)))
    return tuple(fronts)


def has_varied(record: StudyRecord) -> bool:
    """Whether any trial was sampled from a space."""
    return any(mapping_of(row, "params") for row in rows_of(record))
