"""How well would a spec do, trained to the end? A model of what a study has scored so far.

A Gaussian process over specs and rungs together: every score at any rung tells of that after all
steps, of the same spec (its learning curve) and of those that resemble it (in varied fields and in
cost). Who is expected to enlarge the dominated hypervolume the most is then begun, or trained to
its next rung.

The dominated hypervolume is taken over (quality, log of each cost). Since costs are known before
training, what a spec would add depends on its quality alone: the space of costs falls into cells in
each of which the best quality so far is constant, and the spec adds, in its share of each cell,
what it exceeds that by. Its expectation over a normal posterior has a closed form.

Sources: Swersky et al. 2014 (Freeze-Thaw Bayesian Optimization, arXiv:1406.3896) for learning
curves that are paused and taken up again; Bonilla et al. 2007 (Multi-task Gaussian Process
Prediction) for the product of a covariance of specs and one of tasks, here rungs; Emmerich et al.
2006 (Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian Random Field
Metamodels) for the expected hypervolume improvement. That hyperparameters are the likeliest of a
fixed set of draws, and the overall scale in closed form, is ours: it is quick, cannot fail to
converge, and does the same in every process.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import cholesky, solve_triangular
from scipy.special import ndtr

from msdemucs.analysis.fronts import non_dominated
from msdemucs.study.records import Direction

Feature = float | str | None
"""Of one varied field: where in its range a number is, from 0 to 1; a choice's label; None where a
spec does not have the field."""

Array = Float[np.ndarray, "..."]
Pairs = Int[np.ndarray, "n 2"]

DRAWS = 64
"""Sets of hyperparameters of which the likeliest is taken."""

MOST_FITTED = 300
"""Scores by which likelihoods are compared; more hardly change which is the highest."""

LEVEL = 3.0
"""How far the mean of a rung may lie from that of others, in units of the spread between specs."""

SCALE_WEIGHT = 4.0
"""The scale is estimated as if so many more scores had spread by 1 dB."""

NUGGET = 1e-4


@dataclass(frozen=True)
class SpecPoint:
    """A combination that a study may train, or has begun to.

    Attributes:
        features: one a varied field, in the same order for all.
        costs: known before training, each above 0; as many for all.
        scores: index of the rung → score there, the higher the better; the last rung is the end of
            training.
    """

    features: tuple[Feature, ...]
    costs: tuple[float, ...]
    scores: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Posterior:
    """The score after all steps, a number a point.

    Attributes:
        mean: what is expected.
        deviation: how uncertain that is.
    """

    mean: Float[np.ndarray, " n"]
    deviation: Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Hyper:
    """Shares of the covariance, in units of what resembling specs share.

    Attributes:
        slope: of the score along log costs.
        own: of what is one spec's alone.
        along: correlation from one rung to another of three times the steps; of what specs share,
            of the slope, and of what is a spec's own.
        reach: of each feature and cost: over which distance specs resemble each other.
    """

    slope: float
    own: float
    along: tuple[float, float, float]
    reach: Float[np.ndarray, " f"]


@cache
def draws(n_features: int) -> tuple[Hyper, ...]:
    """The same sets of hyperparameters wherever they are asked for."""
    random = np.random.default_rng(0)
    return tuple(
        Hyper(
            slope=float(np.exp(random.normal(math.log(0.6), 0.5))),
            own=float(np.exp(random.normal(math.log(0.5), 0.5))),
            along=(
                float(random.uniform(0.5, 0.98)),
                float(random.uniform(0.3, 0.98)),
                float(random.uniform(0.3, 0.95)),
            ),
            reach=np.exp(random.normal(math.log(1.5), 0.5, n_features)),
        )
        for _ in range(DRAWS)
    )


class CurveModel:
    """The model.

    Args:
        rungs: steps at which trainings are scored, rising; the last is the whole.
    """

    def __init__(self, rungs: Sequence[int]) -> None:
        away = np.log(np.array(rungs, dtype=float)) / math.log(3)
        self.apart = np.abs(np.subtract.outer(away, away))

    def predict(self, points: Sequence[SpecPoint]) -> Posterior:
        """What is to be expected of every point, by the scores of all.

        Raises:
            ValueError: there is no score.
        """
        scored = [(at, rung) for at, point in enumerate(points) for rung in sorted(point.scores)]
        if not scored:
            raise ValueError("a surrogate needs at least one score")
        values = np.array([points[at].scores[rung] for at, rung in scored])
        centre = float(np.median(values))
        places = Places(points)
        seen, ends = np.array(scored), np.array([(at, len(self.apart) - 1) for at in places.all])
        few = slice(None, None, math.ceil(len(seen) / MOST_FITTED))
        near = self.between(places, seen[few], seen[few])

        def log_likelihood(hyper: Hyper) -> float:
            factor, white = _whitened(near, hyper, values[few] - centre)
            fit = -0.5 * (len(white) + SCALE_WEIGHT) * math.log(_scale2(white))
            return float(fit - np.log(np.diag(factor)).sum())

        hyper = max(draws(len(places.squares)), key=log_likelihood)
        factor, white = _whitened(self.between(places, seen, seen), hyper, values - centre)
        across = self.between(places, seen, ends).covariance(hyper)
        across = solve_triangular(factor, across, lower=True, check_finite=False)
        before = 2 * LEVEL**2 + 1.0 + hyper.own**2 + hyper.slope**2 * (places.logs**2).sum(1)
        variance = np.maximum(before - (across**2).sum(0), 0.0)
        return Posterior(centre + across.T @ white, np.sqrt(_scale2(white) * variance))

    def between(self, places: "Places", some: Pairs, others: Pairs) -> "Between":
        """How far scores are from others; of each the index of its point and the rung."""
        (point, rung), (other, its_rung) = some.T, others.T
        return Between(
            squares=places.squares[:, point][:, :, other],
            slope=places.logs[point] @ places.logs[other].T,
            is_same=point[:, None] == other[None, :],
            apart=self.apart[rung][:, its_rung],
        )


class Places:
    """Where points are: how far from each other, feature by feature and in each cost."""

    def __init__(self, points: Sequence[SpecPoint]) -> None:
        self.all = range(len(points))
        logs = np.log(np.array([point.costs for point in points], dtype=float))
        spread = logs.std(axis=0)
        self.logs = (logs - logs.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        squares = []
        for column in zip(*(point.features for point in points), strict=True):
            numbers = np.array([value if isinstance(value, float) else np.nan for value in column])
            apart = (3.0 * np.subtract.outer(numbers, numbers)) ** 2  # in thirds of the range
            labels = {label: code for code, label in enumerate(dict.fromkeys(column))}
            codes = np.array([labels[value] for value in column])
            differ = 2.0 * (codes[:, None] != codes[None, :])
            squares.append(np.where(np.isnan(apart), differ, apart))
        squares += [np.subtract.outer(cost, cost) ** 2 for cost in self.logs.T]
        self.squares = np.array(squares).reshape(-1, len(points), len(points))


@dataclass(frozen=True)
class Between:
    """How far some scores are from others.

    Attributes:
        squares: of the distance in each feature and cost.
        slope: product of their costs' logarithms.
        is_same: whether they are of one point.
        apart: how often the steps are tripled from one rung to the other.
    """

    squares: Float[np.ndarray, "f s o"]
    slope: Float[np.ndarray, "s o"]
    is_same: Bool[np.ndarray, "s o"]
    apart: Float[np.ndarray, "s o"]

    def covariance(self, hyper: Hyper) -> Float[np.ndarray, "s o"]:
        """Under some hyperparameters, up to the scale."""
        shared, slope, own = (np.exp(math.log(along) * self.apart) for along in hyper.along)
        likeness = np.exp(-0.5 * np.tensordot(hyper.reach**-2.0, self.squares, axes=1))
        return np.asarray(
            LEVEL**2 * (1.0 + (self.apart == 0))
            + likeness * shared
            + hyper.slope**2 * self.slope * slope
            + hyper.own**2 * self.is_same * own
        )


def _whitened(between: Between, hyper: Hyper, values: Array) -> tuple[Array, Array]:
    """The Cholesky factor of the scores' covariance, and the scores that it makes white."""
    covariance = between.covariance(hyper) + NUGGET * np.eye(len(values))
    factor = cholesky(covariance, lower=True, check_finite=False)
    return factor, solve_triangular(factor, values, lower=True, check_finite=False)


def _scale2(white: Array) -> float:
    """The variance of what is left, drawn towards 1 dB²."""
    return float((white @ white + SCALE_WEIGHT) / (len(white) + SCALE_WEIGHT))


def feature(value: object, ends: tuple[float, float] | None) -> Feature:
    """What the model reads of a field.

    Args:
        value: as drawn.
        ends: the smallest and the largest number that it may be; None where it is no number.
    """
    if ends is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None if value is None else str(value)
    low, high, at = (math.log(end) if ends[0] > 0 else end for end in (*ends, float(value)))
    return (at - low) / (high - low) if high > low else 0.0


def ends_of(labels: Sequence[object]) -> tuple[float, float] | None:
    """The smallest and the largest of some numbers; None where there are others among them."""
    numbers = [x for x in labels if isinstance(x, int | float) and not isinstance(x, bool)]
    return (min(numbers), max(numbers)) if len(numbers) == len(labels) else None


MARGIN = 0.1
"""How far beyond the highest cost the volume reaches, in its logarithm: the dearest counts, too."""


@dataclass(frozen=True)
class TrainedFront:
    """What is trained so far.

    Attributes:
        quality: after all steps, the higher the better, one each.
        log_costs: of each.
        floor: below which nothing counts.
    """

    quality: Float[np.ndarray, " n"]
    log_costs: Float[np.ndarray, "n c"]
    floor: float


def expected_improvements(
    front: TrainedFront, log_costs: Float[np.ndarray, "m c"], mean: Array, deviation: Array
) -> Float[np.ndarray, " m"]:
    """The hypervolume that each of some specs is expected to add, alone, to a front."""
    low, high, best = cells(front, log_costs)
    shares = np.ones((len(log_costs), len(best)))
    for axis in range(log_costs.shape[1]):
        begin = np.maximum(low[None, :, axis], log_costs[:, None, axis])
        shares *= np.maximum(high[None, :, axis] - begin, 0.0)
    deviation = np.maximum(deviation, 1e-9)[:, None]
    above = mean[:, None] - best[None, :]
    z = above / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return np.asarray((shares * (above * ndtr(z) + deviation * density)).sum(1))


def volume(front: TrainedFront, log_costs: Float[np.ndarray, "m c"]) -> float:
    """The hypervolume that a front dominates, over the costs of all."""
    low, high, best = cells(front, log_costs)
    return float(((high - low).prod(axis=1) * (best - front.floor)).sum())


def cells(front: TrainedFront, log_costs: Float[np.ndarray, "m c"]) -> tuple[Array, Array, Array]:
    """(lowest costs, highest costs, best quality for them so far) of each cell of the costs."""
    every = np.concatenate([front.log_costs, log_costs])
    directions: list[Direction] = ["maximize"]
    directions += ["minimize"] * front.log_costs.shape[1]
    kept = non_dominated(
        np.column_stack([front.quality, front.log_costs]),
        directions,
    )
    edges = []
    for axis in range(every.shape[1]):
        inner = np.unique(front.log_costs[kept, axis])
        ends = (every[:, axis].min(), every[:, axis].max() + MARGIN)
        edges.append(np.unique([ends[0], *inner, ends[1]]))
    low = np.array([*product(*(edge[:-1] for edge in edges))], dtype=float)
    high = np.array([*product(*(edge[1:] for edge in edges))], dtype=float)
    is_within = (front.log_costs[None, kept] <= low[:, None]).all(axis=2)
    values = np.where(is_within, front.quality[None, kept], front.floor)
    best = np.maximum(values.max(axis=1, initial=front.floor), front.floor)
    return low, high, best
