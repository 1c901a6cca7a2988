"""Searches that are told what none can know: how far any could come on a table."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from benchmarks.replay import Replay, Table
from msdemucs.study.samplers.surrogate.model import TrainedFront, expected_improvements

Array = Float[np.ndarray, " n"]


@dataclass(frozen=True)
class Told:
    """What a search is told of every spec of a table before it begins.

    Attributes:
        mean_db: the SDR after all steps, as good as it can be known.
        deviation_db: by how much the truth differs, over all specs.
    """

    mean_db: Array
    deviation_db: float


def told_all(table: Table) -> Told:
    """The truth."""
    return Told(finals(table), 0.0)


def told_rung(table: Table, rung: int) -> Told:
    """Every spec's score at a rung, for free, and how the end follows from it and from cost."""
    costs = np.log([one.cost for one in table.trained.values()])
    scores = [one.curve[rung] for one in table.trained.values()]
    known = np.stack([np.array(scores), costs, np.ones_like(costs)], axis=1)
    weights, *_ = np.linalg.lstsq(known, finals(table), rcond=None)
    return Told(known @ weights, float((finals(table) - known @ weights).std()))


def told_seed(table: Table, other: Table) -> Told:
    """Every spec's final score with another seed, and how much seeds differ."""
    shift = (finals(table) - finals(other)).mean()
    return Told(finals(other) + shift, float((finals(table) - finals(other)).std()))


class Oracle(Replay):
    """Trains to the end, one after another, the spec that is expected to add the most."""

    def __init__(self, table: Table, told: Told) -> None:
        super().__init__(table, None)
        self.told = told

    def run(self, is_enough: Callable[[Replay], bool]) -> None:
        """Train until it is enough."""
        labels = list(self.table.trained)
        logs = np.log([[one.cost] for one in self.table.trained.values()])
        mean, done = self.told.mean_db, list[int]()
        while not is_enough(self) and len(done) < len(labels):
            floor = float(finals(self.table).min())
            front = TrainedFront(finals(self.table)[done], logs[done], floor)
            deviation = np.full(len(labels), self.told.deviation_db)
            gains = expected_improvements(front, logs, mean, deviation)
            gains[done] = -1.0
            done.append(int(np.argmax(gains)))
            self.begin(labels[done[-1]])


def finals(table: Table) -> Array:
    """The SDR after all steps."""
    return np.array([one.quality for one in table.trained.values()])
