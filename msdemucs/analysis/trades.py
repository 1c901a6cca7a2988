"""Quality against a cost: who is on the front, what a budget buys, what single seeds would attain.

Several trainings of one spec are one point, their mean: the best of single trainings would be the
luckiest. A point beyond one of the study's constraints is a reference: it is shown, and stands on
no front.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite, nan, sqrt

import pandas as pd

from msdemucs.analysis.fronts import non_dominated
from msdemucs.analysis.measure import Measure
from msdemucs.analysis.noise import Noise, expected_fall
from msdemucs.analysis.trials import (
    Row,
    exceeded_constraints,
    is_baseline,
    number,
    trial_number,
)
from msdemucs.study.records import Direction


@dataclass(frozen=True)
class TradePoint:
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
        short: a name for where there is no room: the baseline's, or "trial 7".
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
    short: str = ""


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
        is_common: the points' qualities compare, so that there is a front of all of them.
        n_busy: complete ones whose cost is a time of a busy machine, and that are not drawn.
    """

    x: Measure
    y: Measure
    points: tuple[TradePoint, ...]
    n_unmeasured: int
    floor: float | None
    noise: Noise | None = None
    noun: str = "complete trial"
    is_common: bool = True
    n_busy: int = 0

    @property
    def front(self) -> tuple[TradePoint, ...]:
        """The points that no other point beats in both, by cost."""
        return tuple(point for point in self.points if point.is_front)

    @property
    def tied(self) -> tuple[TradePoint, ...]:
        """The points that the noise floor does not tell from the front, by cost."""
        return tuple(point for point in self.points if point.is_tied)

    @property
    def admitted(self) -> tuple[TradePoint, ...]:
        """The points within all constraints, by cost."""
        return tuple(point for point in self.points if not point.beyond)

    @property
    def directions(self) -> tuple[Direction, Direction]:
        """What is better, of cost and of quality."""
        return self.x.direction, self.y.direction

    @cached_property
    def expected_fall(self) -> float | None:
        """By how much the best is expected to be worse when it is trained anew.

        None where the noise is unknown, or nothing was chosen from.
        """
        points = self.admitted
        if self.noise is None or len(points) < 2 or not self.is_common:
            return None
        sigma = self.noise.sigma.value
        errors = [sigma / sqrt(max(point.n_seeds, 1)) for point in points]
        return expected_fall([self.y.sign * point.y for point in points], errors)

    def best(self, points: Sequence[TradePoint] | None = None) -> TradePoint:
        """The point of the best quality; of equals the cheapest.

        Args:
            points: among these; among the admitted ones when not given.
        """
        among = self.admitted if points is None else points
        return max(among, key=lambda point: (self.y.sign * point.y, self.x.sign * point.x))


def trade_points(
    rows: Sequence[Row],
    x: Measure,
    y: Measure,
    noise: Noise | None,
    n_seeds: Mapping[int, int],
) -> tuple[TradePoint, ...]:
    """The rows that have both numbers as points, by cost, none of them on a front yet.

    Args:
        rows: complete trials, one a spec.
        x: the cost.
        y: the quality.
        noise: its spread over seeds.
        n_seeds: trial → trainings that its quality is the mean of; one where it is not named.
    """
    measured = [
        row for row in rows if isfinite(number(row, x.column)) and isfinite(number(row, y.column))
    ]
    measured.sort(key=lambda row: (number(row, x.column), trial_number(row)))
    return tuple(
        TradePoint(
            trial=(trial := trial_number(row)),
            name=str(row["name"]),
            is_baseline=is_baseline(row),
            x=number(row, x.column),
            y=number(row, y.column),
            is_front=False,
            half_width=noise.half_width(n_seeds.get(trial, 1)) if noise else nan,
            n_seeds=n_seeds.get(trial, 1),
            beyond=exceeded_constraints(row),
            short=str(row["baseline"]) if is_baseline(row) else f"trial {trial}",
        )
        for row in measured
    )


def ranked_points(
    points: Sequence[TradePoint], directions: tuple[Direction, Direction], noise: Noise | None
) -> tuple[TradePoint, ...]:
    """The points with their place on the front or beside it; those beyond a constraint have none.

    Args:
        points: by cost.
        directions: of cost and quality.
        noise: the spread of one training's quality.
    """
    admitted = [point for point in points if not point.beyond]
    on_front = non_dominated([(point.x, point.y) for point in admitted], directions)
    ranked = {}
    for point, is_on, best in zip(
        admitted, on_front, _best_so_far(admitted, directions), strict=True
    ):
        reach = noise.tie_between(point.n_seeds, best.n_seeds) if noise else nan
        is_tied = not is_on and abs(best.y - point.y) <= reach
        # not by dataclasses.replace, which is slow for thousands
        fields = {**vars(point), "is_front": bool(is_on), "is_tied": is_tied}
        ranked[point.trial] = TradePoint(**fields)
    return tuple(ranked.get(point.trial, point) for point in points)


def _best_so_far(
    points: Sequence[TradePoint], directions: tuple[Direction, Direction]
) -> list[TradePoint]:
    """The point of the best quality at each point's cost or a better one, in their order."""
    sign = 1.0 if directions[1] == "maximize" else -1.0
    best: TradePoint | None = None
    at_cost: dict[float, TradePoint] = {}
    for point in points if directions[0] == "minimize" else reversed(points):
        if best is None or sign * (point.y - best.y) > 0:
            best = point
        at_cost[point.x] = best
    return [at_cost[point.x] for point in points]


def fronts_by_group(trade: Trade, groups: Mapping[int, str]) -> dict[str, list[TradePoint]]:
    """The front of each group of the points, in the order in which trials name the groups.

    Args:
        trade: with the points.
        groups: trial → its group.
    """
    members: dict[str, list[TradePoint]] = {name: [] for name in groups.values()}
    for point in trade.admitted:
        members[groups[point.trial]].append(point)
    return {
        name: [
            point
            for point, is_on in zip(
                points, non_dominated([(p.x, p.y) for p in points], trade.directions), strict=True
            )
            if is_on
        ]
        for name, points in members.items()
    }


def mixture_quality(floors: pd.DataFrame, measure: Measure) -> float | None:
    """What the mixture scores as the estimate of every source; None where that is not known.

    Args:
        floors: FLOOR_COLUMNS, of one split.
        measure: the quality.
    """
    if measure.quality is None:
        return None
    value = measure.quality.of(floors.assign(seed=0))
    return value if isfinite(value) else None


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


def rung_fronts(rungs: pd.DataFrame, rows: Sequence[Row], trade: Trade) -> tuple[RungFront, ...]:
    """The front at every rung that two trials or more have reached, by step.

    Args:
        rungs: RUNG_COLUMNS, trainings of one spec under one trial.
        rows: the trials, one a spec.
        trade: of the quality and the cost.
    """
    rungs = rungs[rungs["quality"] == trade.y.column]
    costs = {
        trial_number(row): number(row, trade.x.column)
        for row in rows
        if not exceeded_constraints(row)
    }
    fronts = []
    for step, at_step in rungs.groupby("step"):
        means = at_step.groupby("trial")["value"].mean()
        reached = [
            (costs[int(str(trial))], float(value), int(str(trial)))
            for trial, value in means.items()
            if isfinite(costs.get(int(str(trial)), nan)) and isfinite(value)
        ]
        if len(reached) < 2:
            continue
        reached.sort()
        on_front = non_dominated([point[:2] for point in reached], trade.directions)
        front = [point for point, is_on in zip(reached, on_front, strict=True) if is_on]
        x, y, trials = zip(*front, strict=True)
        fronts.append(RungFront(int(str(step)), trials, x, y, len(reached)))
    return tuple(fronts)


MOST_STEPS = 60
"""Steps of a budget, at most: the rest of a front is thinned evenly, its ends stay."""


@dataclass(frozen=True)
class Budget:
    """What is best under each limit of one cost.

    Attributes:
        cost: the cost.
        quality: by which it is best.
        low: the cheapest trial's cost.
        high: the dearest complete trial's cost.
        steps: by cost; each is better than those before, from its cost on.
    """

    cost: Measure
    quality: Measure
    low: float
    high: float
    steps: tuple[TradePoint, ...]


def budgets(trades: Sequence[Trade]) -> tuple[Budget, ...]:
    """One budget a trade whose cost is to be kept low; those without a front are left out."""
    by_cost = []
    for trade in trades:
        if not trade.front or trade.x.direction != "minimize" or trade.admitted[0].x <= 0:
            continue
        steps, most = trade.front, MOST_STEPS
        if len(steps) > most:
            steps = tuple(steps[round(i * (len(steps) - 1) / (most - 1))] for i in range(most))
        low, high = trade.admitted[0].x, trade.admitted[-1].x
        by_cost.append(Budget(trade.x, trade.y, low, high, steps))
    return tuple(by_cost)


FEWEST_SPECS = 2
"""Specs that must have been trained with each of the seeds."""


@dataclass(frozen=True)
class Band:
    """The best quality that seeds attain at each cost or below.

    Attributes:
        x: costs of the specs that were trained with every seed, ascending.
        low: of the seed with the lowest.
        high: of the seed with the highest.
        n_seeds: how many seeds there are.
    """

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n_seeds: int


def attainment_band(trade: Trade, trainings: pd.DataFrame) -> Band | None:
    """The band over the seeds that most specs share; None where fewer than two do.

    A spec counts with all seeds or not at all, so that each seed's front is made of the same
    specs.

    Args:
        trade: of quality and cost.
        trainings: the quality of each training of its points: columns trial, seed, value.
    """
    if trade.x.direction != "minimize":
        return None
    costs = {point.trial: point.x for point in trade.admitted}
    values = trainings[trainings["trial"].isin(list(costs))]
    table = _most_shared(values.pivot(index="trial", columns="seed", values="value"))
    if table.shape[1] < 2 or len(table) < FEWEST_SPECS:
        return None
    ordered = table.loc[sorted(table.index, key=lambda trial: costs[int(trial)])]
    best = ordered.cummax() if trade.y.direction == "maximize" else ordered.cummin()
    costs_along = [costs[int(str(trial))] for trial in ordered.index]
    by_cost: dict[float, tuple[float, float]] = {}
    for x, row in zip(costs_along, best.to_numpy(), strict=True):
        by_cost[x] = (float(row.min()), float(row.max()))
    lows, highs = zip(*by_cost.values(), strict=True)
    return Band(tuple(by_cost), tuple(lows), tuple(highs), table.shape[1])


def _most_shared(table: pd.DataFrame) -> pd.DataFrame:
    """The seeds and trials of the largest table without holes, seeds taken by their frequency."""
    seeds = table.notna().sum().sort_values(ascending=False).index
    best, size = table.iloc[:0], -inf
    for n in range(2, len(seeds) + 1):
        full = table[seeds[:n]].dropna()
        if len(full) >= FEWEST_SPECS and len(full) * n > size:
            best, size = full, len(full) * n
    return best
