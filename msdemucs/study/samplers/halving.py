"""Who goes on at a rung? Successive halving that ranks by a front, not by one number.

Trials come to a rung one after another (asynchronously), each with its score there, in each quality
that the study optimises, and with costs that were known before it began. Those at the rung are
sorted into fronts by domination, each front is thinned so that its first points already span it,
and the best 1/η go on. A newcomer is judged against those that came before it; one that was stopped
may go on later, when others have come whom it beats.

Sources: Li et al. 2020 (A System for Massively Parallel Hyperparameter Tuning, arXiv:1810.05934)
for asynchronous halving; Schmucker et al. 2021 (Multi-objective Asynchronous Successive Halving,
arXiv:2106.12639) for ranks by fronts; Salinas et al. 2021 (A Multi-Objective Perspective on Jointly
Tuning Hardware and Hyperparameters, arXiv:2106.05680) for the ε-net; Deb et al. 2002 (NSGA-II) for
domination in fronts and for the crowding distance. Tolerance, normalised log costs and a least
number of survivors are ours.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import numpy as np
from jaxtyping import Bool

from msdemucs.study.search_space.fidelity import Thinning

Name = TypeVar("Name", bound=Hashable)

Point = tuple[float, ...]
"""(Each quality, turned so that less is better, then the log of each cost)."""

DIGITS = 9
"""Distances that agree to so many digits are equal, so that rounding does not decide."""


@dataclass(frozen=True)
class RungScore:
    """What a rung knows of a trial.

    Attributes:
        qualities: its scores after the rung's steps, the higher the better; as many for all.
        costs: known before training, each above 0 and the lower the better; as many for all.
    """

    qualities: tuple[float, ...]
    costs: tuple[float, ...] = ()

    @property
    def point(self) -> Point:
        """Qualities, and costs on the scale on which equal factors are equal steps."""
        turned = (-quality for quality in self.qualities)
        return (*turned, *(math.log(cost) for cost in self.costs))


@dataclass(frozen=True)
class Halving:
    """The rule.

    A *priority* is a trial's place among all at a rung, 0 for the best; an *order* lists trials
    from best to worst. Priorities are what `goes_on` reads.

    Attributes:
        eta: one in so many goes on.
        survivors: at least so many go on from every rung.
        delta_db: a quality counts as better only from so much on, since training it again with
            another seed would move it by as much.
        thinning: how a front is ordered. epsilon_net: each next point is the one farthest from
            those before it; crowding: ends first, then by the room around a point.
        n_qualities: how many coordinates of a point are qualities.
    """

    eta: float = 3.0
    survivors: int = 1
    delta_db: float = 0.0
    thinning: Thinning = "epsilon_net"
    n_qualities: int = 1

    def places(self, n_trials: int) -> int:
        """How many of the trials that came to a rung go on from it."""
        share = Fraction(n_trials) / Fraction(self.eta)
        return max(self.survivors, math.ceil(share))

    def goes_on(self, own: RungScore, others: Sequence[RungScore]) -> bool:
        """Whether a trial is among those that go on.

        Args:
            own: the trial's.
            others: of all others that came to the rung so far, those that were stopped or went on.
        """
        priority = self.priorities([own, *others])[0]
        return priority < self.places(len(others) + 1)

    def going(self, standings: Mapping[Name, RungScore]) -> set[Name]:
        """The names of all that go on from a rung, once these have come to it."""
        places = self.places(len(standings))
        priorities = self.priorities([*standings.values()])
        return {
            name for name, priority in zip(standings, priorities, strict=True) if priority < places
        }

    def priorities(self, standings: Sequence[RungScore]) -> list[int]:
        """For each trial how many are placed before it; trials that stand alike share a place."""
        points = [standing.point for standing in standings]
        place, before = {}, 0
        for point in self.order(points):
            place[point] = before
            before += points.count(point)
        return [place[point] for point in points]

    def order(self, points: Sequence[Point]) -> list[Point]:
        """The points from best to worst, each once."""
        thin = epsilon_net if self.thinning == "epsilon_net" else crowding
        if not points:
            return []
        spans = ranges(points)
        return [point for front in self.fronts(points) for point in thin(front, spans)]

    def fronts(self, points: Sequence[Point]) -> list[list[Point]]:
        """The points that none dominates, then those that none of the rest does, and so on."""
        rest = sorted(set(points))
        dominated = self.dominated(rest)
        found, left = [], np.ones(len(rest), dtype=bool)
        while left.any():
            is_front = left & ~dominated[left].any(axis=0)
            found.append([rest[index] for index in np.flatnonzero(is_front)])
            left &= ~is_front
        return found

    def dominated(self, points: Sequence[Point]) -> Bool[np.ndarray, "P P"]:
        """For each of some distinct points, which others it is better than.

        It is when a quality is better by the tolerance or more, and no other coordinate is worse.
        """
        all_ = np.array(points, dtype=float).reshape(len(points), -1)
        gains = all_[None] - all_[:, None]  # of each over each, coordinate by coordinate
        is_better = (gains[..., : self.n_qualities] >= self.delta_db).any(axis=2)
        found = is_better & (gains >= 0).all(axis=2)
        np.fill_diagonal(found, val=False)
        return np.asarray(found, dtype=bool)


def ranges(points: Sequence[Point]) -> Point:
    """The range of each coordinate, by which it is divided; 1 where there is none."""
    spans = (max(values) - min(values) for values in zip(*points, strict=True))
    return tuple(span or 1.0 for span in spans)


def epsilon_net(front: Sequence[Point], spans: Point) -> list[Point]:
    """A front in an order whose every beginning spans it: the farthest point comes next.

    The first is the one of the best first quality.

    Args:
        front: distinct points.
        spans: what each coordinate is divided by before distances are taken.
    """
    ordered = sorted(front)
    scaled = np.array(ordered, dtype=float).reshape(len(ordered), -1) / np.array(spans)
    gap = np.full(len(ordered), np.inf)  # of each to the nearest that is in the order
    found = [0]
    while len(found) < len(ordered):
        away = np.sqrt(((scaled - scaled[found[-1]]) ** 2).sum(axis=1))
        gap = np.minimum(gap, away)
        gap[found] = -1
        found.append(int(np.argmax(np.round(gap, DIGITS))))
    return [ordered[index] for index in found]


def crowding(front: Sequence[Point], spans: Point) -> list[Point]:
    """A front's ends first, then its points by the distance between the neighbours of each."""
    room = dict.fromkeys(front, 0.0)
    for axis, span in enumerate(spans):
        along = sorted(front, key=lambda point: (point[axis], point))
        room[along[0]] = room[along[-1]] = math.inf
        for before, point, after in zip(along, along[1:], along[2:], strict=False):
            room[point] += (after[axis] - before[axis]) / span
    return sorted(front, key=lambda point: (-round(room[point], DIGITS), point))
