"""How a study came to its front: hypervolume by trial and by step, and fronts at the rungs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, log

from msdemucs.report.frames import (
    Row,
    Trade,
    is_baseline,
    mapping_of,
    number,
    rows_of,
    trial_number,
)
from msdemucs.report.pareto import non_dominated
from msdemucs.study.records import StudyRecord

LOG_FROM_RATIO = 3.0
"""A positive cost whose largest value is this many times its smallest counts by its logarithm."""

BEYOND = 0.1
"""How far the reference point lies beyond the worst, as a share of the span of all trials."""

FEWEST_TRIALS = 3
"""Trials with both numbers below which a hypervolume says nothing."""


@dataclass(frozen=True)
class Climb:
    """The hypervolume of one arm after each of its trials.

    Attributes:
        name: of the arm.
        trials: how many trials of the arm had ended.
        steps: how many steps they had trained, together.
        volumes: the dominated share of the box from the best of both numbers to a little beyond
            the worst, the baselines included from the start.
    """

    name: str
    trials: tuple[int, ...]
    steps: tuple[float, ...]
    volumes: tuple[float, ...]


@dataclass(frozen=True)
class Box:
    """The box that hypervolumes are shares of, and how a point lies in it."""

    cost: tuple[float, float]
    quality: tuple[float, float]
    is_log: bool

    def place(self, x: float, y: float) -> tuple[float, float]:
        """(how cheap, how good), each from 0 to 1."""
        (low, high), (worst, best) = self.cost, self.quality
        at = (log(v) if self.is_log else v for v in (x, low, high))
        return _share(*at), _share(y, best, worst)


def _share(value: float, best: float, worst: float) -> float:
    """1 at the best, 0 a little beyond the worst: there even the worst counts for something."""
    worst += BEYOND * (worst - best)
    return (value - worst) / (best - worst) if best != worst else 1.0


def box_of(trade: Trade) -> Box:
    """The box over all points of a trade; worse is 0, better is 1, whatever is asked."""
    xs, ys = [p.x for p in trade.points], [p.y for p in trade.points]
    is_log = min(xs) > 0 and max(xs) / min(xs) >= LOG_FROM_RATIO
    cost = (min(xs), max(xs)) if trade.x.direction == "minimize" else (max(xs), min(xs))
    quality = (min(ys), max(ys)) if trade.y.direction == "maximize" else (max(ys), min(ys))
    return Box(cost, quality, is_log)


def volume(points: Iterable[tuple[float, float]]) -> float:
    """The area dominated by points from 0 to 1 in both, larger being better."""
    area, best = 0.0, 0.0
    for x, y in sorted(points, reverse=True):
        if y > best:
            area += x * (y - best)
            best = y
    return area


def climbs_of(record: StudyRecord, trade: Trade) -> tuple[Climb, ...]:
    """The search's climb, and that of the random control arm where there is one."""
    if len(trade.points) < FEWEST_TRIALS or trade.x.direction == "maximize":
        return ()
    rows = [row for row in rows_of(record) if row["state"] not in ("waiting", "running")]
    sampled = [row for row in rows if not is_baseline(row)]
    control = [row for row in sampled if row.get("is_control") is True]
    searched = [row for row in sampled if row.get("is_control") is not True]
    start = [row for row in rows if is_baseline(row)]
    named = (("search", searched), ("random control", control))
    return tuple(_climb(name, own, start, trade) for name, own in named if own)


def _climb(name: str, own: Sequence[Row], start: Sequence[Row], trade: Trade) -> Climb:
    box = box_of(trade)
    points = {point.trial: box.place(point.x, point.y) for point in trade.points}
    front = _kept([points[trial_number(row)] for row in start if trial_number(row) in points])
    steps, volumes, spent = [0.0], [volume(front)], 0.0
    for row in own:
        taken = number(row, "steps")
        spent += taken if isfinite(taken) else 0.0
        point = points.get(trial_number(row))
        if point is not None:
            front = _kept([*front, point])
        steps.append(spent)
        volumes.append(volume(front))
    return Climb(name, tuple(range(len(own) + 1)), tuple(steps), tuple(volumes))


def _kept(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other beats, larger being better in both."""
    kept: list[tuple[float, float]] = []
    for x, y in sorted(points, reverse=True):
        if not kept or y > kept[-1][1]:
            kept.append((x, y))
    return kept


@dataclass(frozen=True)
class RungFront:
    """What the trials that reached a rung had attained there.

    Attributes:
        step: of the rung.
        trials: on the front at that step, by cost.
        x: their costs.
        y: their qualities at that step, dB, the mean over their seeds.
        n: how many trials reached it.
    """

    step: int
    trials: tuple[int, ...]
    x: tuple[float, ...]
    y: tuple[float, ...]
    n: int


def rung_fronts(record: StudyRecord, trade: Trade) -> tuple[RungFront, ...]:
    """The front at every rung that two trials or more have reached, by step."""
    rungs = record.rungs
    if rungs.empty:
        return ()
    costs = {trial_number(row): number(row, trade.x.column) for row in rows_of(record)}
    fronts = []
    for step, own in rungs.groupby("step"):
        means = own.groupby("trial")["usdr_db"].mean()
        reached = [
            (costs[int(str(trial))], float(value), int(str(trial)))
            for trial, value in means.items()
            if isfinite(costs.get(int(str(trial)), float("nan"))) and isfinite(value)
        ]
        if len(reached) < 2:
            continue
        reached.sort()
        on = non_dominated([point[:2] for point in reached], (trade.x.direction, "maximize"))
        front = [point for point, is_on in zip(reached, on, strict=True) if is_on]
        x, y, trials = zip(*front, strict=True)
        fronts.append(RungFront(int(str(step)), trials, x, y, len(reached)))
    return tuple(fronts)


def has_varied(record: StudyRecord) -> bool:
    """Whether any trial was sampled from a space."""
    return any(mapping_of(row, "params") for row in rows_of(record))
