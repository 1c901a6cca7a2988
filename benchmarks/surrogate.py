"""A search that models what it has not trained: tried against the stopping rule, not part of it.

Gaussian processes over fields and rungs together (after Swersky et al. 2014, Freeze-Thaw Bayesian
Optimization, arXiv:1406.3896): what was scored at any rung tells of the SDR after all steps, of
the same spec (its learning curve) and of those that share fields with it. The spec that promises
the most hypervolume is then trained to its next rung, and so on.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float

from msdemucs.study.analysis.replay import Replay, Table

SHARED, OWN = (0.7, 1.4), (0.2, 0.4, 0.8)
"""Standard deviations in dB: of what fields explain, and of what is a spec's alone."""

ALONG, OWN_ALONG = (0.8, 0.95), (0.5, 0.9)
"""Correlation from one rung to the next, of either. Of all combinations the search takes the one
under which what it has seen is the likeliest."""

FITTED_EVERY = 5
"""Scores after which that is decided anew."""

MEAN_DB, RUNG_DB = 3.0, 2.0
"""What is expected before anything is trained: the SDR, and how far rungs may lie from it."""

FIRST = 5
"""Specs drawn at random to begin with, each to its first rung."""

Array = Float[np.ndarray, "..."]


@dataclass(frozen=True)
class Belief:
    """Every spec's SDR after all steps: expected, and how uncertain."""

    mean: Array
    deviation: Array


class Process:
    """A Gaussian process over (spec, rung), in the order of the table."""

    def __init__(self, table: Table) -> None:
        labels = list(table.trained)
        n_rungs = len(table.rungs)
        steps = np.abs(np.subtract.outer(np.arange(n_rungs), np.arange(n_rungs)))
        likes = np.array([[_likeness(one, other) for other in labels] for one in labels])
        own = np.eye(len(labels))
        rungs = np.kron(np.ones_like(own), RUNG_DB**2 * (np.eye(n_rungs) + 1))
        self.covariances = [
            rungs
            + np.kron(likes, shared**2 * along**steps)
            + np.kron(own, alone**2 * own_along**steps)
            for shared, alone, along, own_along in product(SHARED, OWN, ALONG, OWN_ALONG)
        ]
        self.covariance = self.covariances[0]
        self.finals = np.arange(len(labels)) * n_rungs + n_rungs - 1

    def fit(self, scored: list[int], usdr_db: list[float]) -> None:
        """Take the covariance under which some scores are the likeliest."""
        self.covariance = max(
            self.covariances, key=lambda one: _log_likelihood(one, scored, usdr_db)
        )

    def belief(self, scored: list[int], usdr_db: list[float]) -> Belief:
        """What is to be expected of all specs, after some scores."""
        factor, centred = _solved(self.covariance, scored, usdr_db)
        across = self.covariance[np.ix_(self.finals, np.array(scored))]
        half = np.linalg.solve(factor, across.T)
        before = self.covariance[self.finals, self.finals]
        variance = np.maximum(before - (half**2).sum(0), 0)
        return Belief(MEAN_DB + half.T @ centred, np.sqrt(variance))


def _solved(covariance: Array, scored: list[int], usdr_db: list[float]) -> tuple[Array, Array]:
    """The Cholesky factor of the scores' covariance, and the scores that it makes white."""
    seen = np.array(scored)
    among = covariance[np.ix_(seen, seen)] + 1e-6 * np.eye(len(seen))
    factor = np.linalg.cholesky(among)
    return factor, np.linalg.solve(factor, np.array(usdr_db) - MEAN_DB)


def _log_likelihood(covariance: Array, scored: list[int], usdr_db: list[float]) -> float:
    """Of the scores, up to a constant."""
    factor, white = _solved(covariance, scored, usdr_db)
    return float(-0.5 * white @ white - np.log(np.diag(factor)).sum())


def _likeness(one: tuple[object, ...], other: tuple[object, ...]) -> float:
    """From 0 to 1: of numbers by their ratio, of other labels by whether they are the same."""
    parts = [
        math.exp(-(math.log2(a / b) ** 2) / 2)
        if isinstance(a, int) and isinstance(b, int)
        else (1.0 if a == b else 0.2)
        for a, b in zip(one, other, strict=True)
    ]
    return (math.prod(parts) + sum(parts) / len(parts)) / 2


class Surrogate(Replay):
    """A replay in which the model proposes, rung by rung; there is no stopping rule.

    Args:
        table: what trainings give.
        seed: of the first draws.
        optimism: by how many deviations an uncertain spec is taken to be better than expected.
    """

    def __init__(self, table: Table, seed: int, *, optimism: float = 1.0) -> None:
        super().__init__(table, None)
        self.random = np.random.default_rng(seed)
        self.optimism = optimism
        self.process = Process(table)

    def run(self, is_enough: Callable[[Replay], bool]) -> None:
        """Train the most promising to its next rung, until it is enough."""
        labels = list(self.table.trained)
        last = len(self.table.rungs) - 1
        for index in self.random.permutation(len(labels))[:FIRST]:
            self.one_rung(labels[index])
        while not is_enough(self):
            places = {name: index for index, name in enumerate(labels)}
            scores = [
                (places[name] * (last + 1) + rung, one.curve[rung])
                for name, one in self.seen.items()
                for rung in range(one.rung + 1)
            ]
            known = [at for at, _ in scores], [db for _, db in scores]
            if len(scores) % FITTED_EVERY == 0:
                self.process.fit(*known)
            belief = self.process.belief(*known)
            self.one_rung(labels[self.most_promising(belief)])

    def most_promising(self, belief: Belief) -> int:
        """The spec that would add the most hypervolume, were it as good as may be hoped."""
        labels = list(self.table.trained)
        done = {name for _, name in self.history}
        front = [(self.table.trained[name].cost, self.table.trained[name].usdr_db) for name in done]
        costs = [self.table.trained[name].cost for name in labels]
        worst = min([usdr_db for _, usdr_db in front] + [float(belief.mean.min())])
        most = 1.1 * max(costs)
        base = _volume(front, worst, most)
        hoped = belief.mean + self.optimism * belief.deviation
        gains = [
            -1.0 if name in done else _volume([*front, (cost, usdr_db)], worst, most) - base
            for name, cost, usdr_db in zip(labels, costs, hoped, strict=True)
        ]
        return int(np.argmax(np.array(gains) + 1e-9 * self.random.random(len(gains))))

    def one_rung(self, labels: tuple[object, ...]) -> None:
        """Train a spec to its next rung."""
        one = self.take(labels)  # type: ignore[arg-type]
        self.train(one)
        if one.rung == len(self.table.rungs) - 1:
            self.history.append((self.steps, labels))  # type: ignore[arg-type]


def _volume(points: list[tuple[float, float]], worst: float, most: float) -> float:
    """The area of (log cost, SDR) that points dominate."""
    area, height = 0.0, worst
    for cost, usdr_db in sorted(points):
        if usdr_db > height:
            area += math.log(most / cost) * (usdr_db - height)
            height = usdr_db
    return area
