"""Quality against a cost, and who is on the front: specs, each with all seeds it was trained with.

Several trainings of one spec are one point, their mean: the best of single trainings would be the
luckiest. A point beyond one of the study's constraints is a reference: it is shown, and stands on
no front.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, nan

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
from msdemucs.report.measures import Measure
from msdemucs.report.noise import n_seeds, spread_of
from msdemucs.study.analysis.noise import Noise
from msdemucs.study.analysis.pooling import pooled, repeated, repeats_of
from msdemucs.study.records import Direction, StudyRecord
from msdemucs.study.space.pareto import non_dominated


@dataclass(frozen=True)
class Point:
    """One spec in the plane of a cost and a quality, over all of its complete trials.

    Attributes:
        trial: the number of its trial, of several of the one that stands for them.
        name: its name.
        is_baseline: it is a named baseline.
        x: its cost.
        y: its quality, the mean over its trainings.
        is_front: no other point beats it in both.
        half_width: half the t-interval of its quality over seeds; NaN where it is unknown.
        is_tied: it is dominated by less than the noise floor.
        n_seeds: trainings that its quality is the mean of.
        beyond: the constraints that it exceeds.
    """

    trial: int
    name: str
    is_baseline: bool
    x: float
    y: float
    is_front: bool
    half_width: float = nan
    is_tied: bool = False
    n_seeds: int = 1
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trade:
    """Quality against one cost.

    Attributes:
        x: the cost.
        y: the quality.
        points: specs with both numbers, by cost, then by number.
        n_unmeasured: complete ones that lack one of the two and are not drawn.
        floor: the quality of the mixture itself as the estimate; None where it is unknown.
        noise: the spread of the quality over seeds; None where it is unknown.
        noun: what a point is: a complete trial, an arm, a spec.
    """

    x: Measure
    y: Measure
    points: tuple[Point, ...]
    n_unmeasured: int
    floor: float | None
    noise: Noise | None = None
    noun: str = "complete trial"

    @property
    def front(self) -> tuple[Point, ...]:
        """The points that no other point beats in both, by cost."""
        return tuple(point for point in self.points if point.is_front)

    @property
    def tied(self) -> tuple[Point, ...]:
        """The points that the noise floor does not tell from the front, by cost."""
        return tuple(point for point in self.points if point.is_tied)

    @property
    def admitted(self) -> tuple[Point, ...]:
        """The points within all constraints, by cost."""
        return tuple(point for point in self.points if not point.beyond)


@lru_cache(maxsize=32)
def trade_of(record: StudyRecord, cost: Measure, of: Measure | None = None) -> Trade:
    """Quality against a cost over the complete trials, with the front of this pair.

    Args:
        record: the study.
        cost: along.
        of: the quality; the study's first when not given.
    """
    quality = quality_of(record) if of is None else of
    one_each = pooled(record)
    complete = complete_rows(one_each)
    measured = [
        row
        for row in complete
        if isfinite(number(row, cost.column)) and isfinite(number(row, quality.column))
    ]
    measured.sort(key=lambda row: (number(row, cost.column), trial_number(row)))
    noise, trained = spread_of(record, quality), n_seeds(one_each, quality)
    plain = [
        Point(
            trial=(trial := trial_number(row)),
            name=str(row["name"]),
            is_baseline=is_baseline(row),
            x=number(row, cost.column),
            y=number(row, quality.column),
            is_front=False,
            half_width=noise.half_width(trained.get(trial, 1)) if noise else nan,
            n_seeds=trained.get(trial, 1),
            beyond=beyond(row),
        )
        for row in measured
    ]
    points = _judged(plain, (cost.direction, quality.direction), noise)
    n_unmeasured = len(complete) - len(measured)
    floor = floor_of(record, quality)
    return Trade(cost, quality, points, n_unmeasured, floor, noise, noun_of(record))


def noun_of(record: StudyRecord) -> str:
    """What a point of a figure stands for."""
    if not repeated(record):
        return "complete trial"
    return "arm" if isinstance(record.attrs.get("ablation"), Mapping) else "spec"


def beyond(row: Row) -> tuple[str, ...]:
    """The constraints that a trial exceeds, as only a baseline can that was trained."""
    return tuple(mapping_of(row, "violations"))


def _judged(
    points: Sequence[Point], directions: tuple[Direction, Direction], noise: Noise | None
) -> tuple[Point, ...]:
    """The points with their place on the front or beside it; those beyond a constraint have none.

    Args:
        points: by cost.
        directions: of cost and quality.
        noise: the spread of one training's quality.
    """
    admitted = [point for point in points if not point.beyond]
    on_front = non_dominated([(point.x, point.y) for point in admitted], directions)
    judged = {}
    for point, is_on, best in zip(admitted, on_front, _best(admitted, directions), strict=True):
        reach = noise.tie_between(point.n_seeds, best.n_seeds) if noise else nan
        is_tied = not is_on and abs(best.y - point.y) <= reach
        judged[point.trial] = _replaced(point, is_front=bool(is_on), is_tied=is_tied)
    return tuple(judged.get(point.trial, point) for point in points)


def _replaced(point: Point, *, is_front: bool, is_tied: bool) -> Point:
    """As dataclasses.replace, which is slow for thousands."""
    own = {**vars(point), "is_front": is_front, "is_tied": is_tied}
    return Point(**own)


def _best(points: Sequence[Point], directions: tuple[Direction, Direction]) -> list[Point]:
    """The point of the best quality at each point's cost or a better one, in their order."""
    sign = 1.0 if directions[1] == "maximize" else -1.0
    best: Point | None = None
    at_cost: dict[float, Point] = {}
    for point in points if directions[0] == "minimize" else reversed(points):
        if best is None or sign * (point.y - best.y) > 0:
            best = point
        at_cost[point.x] = best
    return [at_cost[point.x] for point in points]


def fronts_by(record: StudyRecord, trade: Trade, column: str) -> dict[str, list[Point]]:
    """The front of each of the groups that a text column of the trials tells apart."""
    groups: dict[str, list[Point]] = {}
    whose = {trial_number(row): str(row[column]) for row in rows_of(record)}
    for point in trade.admitted:
        groups.setdefault(whose[point.trial], []).append(point)
    directions = (trade.x.direction, trade.y.direction)
    return {
        name: [
            point
            for point, is_on in zip(
                points, non_dominated([(p.x, p.y) for p in points], directions), strict=True
            )
            if is_on
        ]
        for name, points in groups.items()
    }


def floor_of(record: StudyRecord, quality: Measure) -> float | None:
    """What the mixture scores as the estimate of every source; None where that is not known."""
    if quality.quality is None:
        return None
    floors = record.floors[record.floors["split"] == record.split]
    value = quality.quality.of(floors.assign(seed=0))
    return value if isfinite(value) else None


@lru_cache(maxsize=8)
def study_front(record: StudyRecord) -> frozenset[int]:
    """Numbers of the complete trials whose spec is non-dominated in all of the study's objectives.

    A baseline beyond a constraint is a reference, not an answer, and not among them.
    """
    complete = [row for row in complete_rows(pooled(record)) if not beyond(row)]
    values = [[number(row, column) for column in record.directions] for row in complete]
    if not record.directions:
        return frozenset()
    front = non_dominated(values, tuple(record.directions.values()))
    members: Mapping[int, tuple[int, ...]] = {arm.trial: arm.trials for arm in repeats_of(record)}
    found = [trial_number(row) for row, is_on in zip(complete, front, strict=True) if is_on]
    return frozenset(trial for one in found for trial in members[one])
