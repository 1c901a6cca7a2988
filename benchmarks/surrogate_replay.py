"""A replayed search that trains what the surrogate expects most of, rung by rung."""

from collections.abc import Callable

import numpy as np

from benchmarks.replay import Labels, Replay, Table
from msdemucs.study.samplers.surrogate.model import (
    CurveModel,
    Feature,
    SpecPoint,
    TrainedFront,
    ends_of,
    expected_improvements,
    feature,
)


class Modelled(Replay):
    """A replay of `sampler: {kind: surrogate}`: the model proposes, and decides who goes on.

    It chooses among all combinations of the table, whose costs are known before training.

    Args:
        table: what trainings give.
        seed: of the first draws.
        startup: combinations drawn at random to begin with, each trained to its first rung.
    """

    def __init__(self, table: Table, seed: int, *, startup: int = 5) -> None:
        super().__init__(table, None)
        self.random = np.random.default_rng(seed)
        self.startup = startup
        self.labels = list(table.trained)
        self.features = features(table)
        self.surrogate = CurveModel(table.rungs)

    def run(self, is_enough: Callable[[Replay], bool]) -> None:
        """Train the most promising to its next rung, until it is enough."""
        for index in self.random.permutation(len(self.labels))[: self.startup]:
            self.go_on(self.labels[index])
        while not is_enough(self) and len(self.history) < len(self.labels):
            self.go_on(self.most_promising())

    def go_on(self, labels: Labels) -> None:
        """Train a combination to its next rung."""
        one = self.take(labels)
        self.train(one)
        if one.rung == len(self.table.rungs) - 1:
            self.history.append((self.steps, labels))

    def most_promising(self) -> Labels:
        """The combination that is expected to add the most hypervolume."""
        points = [self.point(labels) for labels in self.labels]
        posterior = self.surrogate.predict(points)
        logs = np.log(np.array([point.costs for point in points]))
        last = len(self.table.rungs) - 1
        done = [at for at, point in enumerate(points) if last in point.scores]
        scores = np.array([points[at].scores[last] for at in done])
        floor = min(posterior.mean.min(), scores.min(initial=np.inf))
        front = TrainedFront(scores, logs[done], float(floor))
        gains = expected_improvements(front, logs, posterior.mean, posterior.deviation)
        gains[done] = -1.0
        return self.labels[int(np.argmax(gains))]

    def point(self, labels: Labels) -> SpecPoint:
        """What the search knows of a combination."""
        one = self.seen.get(labels)
        scores = dict(enumerate(one.curve[: one.rung + 1])) if one else {}
        return SpecPoint(self.features[labels], (self.table.trained[labels].cost,), scores)


def features(table: Table) -> dict[Labels, tuple[Feature, ...]]:
    """What the model reads of every combination of a table."""
    ends = [ends_of(labels) for labels in table.fields.values()]
    return {
        labels: tuple(feature(one, end) for one, end in zip(labels, ends, strict=True))
        for labels in table.trained
    }
