"""A search replayed on a table of trainings that were all made before: seconds in place of days.

The table holds, for every combination of a space, its cost and its score at every rung with one
seed (all trials of a study share theirs). Samplers are Optuna's own and stopping rules are
`Halving`s, so that what is compared is what a study runs, with one worker.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import moocore
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState

from msdemucs.study.samplers.rungs import Halving, RungScore
from msdemucs.study.search_space.variations import Scalar

Labels = tuple[Scalar, ...]

MOST_ASKED = 2000
"""Proposals after which a search that finds nothing new is given up."""


@dataclass(frozen=True)
class Trained:
    """What training one combination gave.

    Attributes:
        cost: known before training.
        curve: the score at each rung, the higher the better.
    """

    cost: float
    curve: Sequence[float]

    @property
    def quality(self) -> float:
        """The score after all steps."""
        return self.curve[-1]


@dataclass(frozen=True)
class Table:
    """An exhaustive sweep.

    Attributes:
        fields: what was varied, with the labels of each.
        rungs: steps at which trainings were scored, rising; the last is the whole.
        trained: by labels, in the fields' order.
    """

    fields: Mapping[str, Sequence[Scalar]]
    rungs: Sequence[int]
    trained: Mapping[Labels, Trained]

    def hypervolume(self, found: Sequence[Labels]) -> float:
        """What the front of some combinations dominates, within the table's own ranges.

        Quality after all steps against the logarithm of the cost. The point of
        reference is the table's worst quality and highest cost.
        """
        worst = min(one.quality for one in self.trained.values())
        most = max(math.log(one.cost) for one in self.trained.values())
        if not found:
            return 0.0
        points = [(math.log(self.trained[f].cost), self.trained[f].quality) for f in found]
        ref, better_high = [most, worst], [False, True]
        return float(moocore.hypervolume(points, ref=ref, maximise=better_high))


@dataclass
class Seen:
    """A combination in a replayed search.

    Attributes:
        curve: score at each rung.
        cost: known before training.
        rung: index of the last rung that it came to; −1 before the first.
        is_stopped: whether it was stopped there.
    """

    curve: Sequence[float]
    cost: float
    rung: int = -1
    is_stopped: bool = False


class Replay:
    """One search with one worker.

    A combination that was trained before takes its result at no cost. When all were tried, those
    that were stopped go on, the one nearest to its rung's places first, so that every search ends
    with everything trained.

    Args:
        table: what trainings give.
        sampler: who proposes; None for Optuna's usual.
        rule: who goes on at a rung; None for all.
        knows_cost: whether the rule ranks by quality and cost; else by quality alone.
        first: what is trained first, and never stopped.

    Attributes:
        steps: optimiser steps so far, over all trials.
        history: (steps, labels) of each training that was completed.
    """

    def __init__(
        self,
        table: Table,
        sampler: optuna.samplers.BaseSampler | None,
        rule: Halving | None = None,
        *,
        knows_cost: bool = True,
        first: Sequence[Labels] = (),
    ) -> None:
        self.table, self.sampler, self.rule = table, sampler, rule
        self.knows_cost, self.first = knows_cost, first
        self.steps = 0
        self.history: list[tuple[int, Labels]] = []
        self.seen: dict[Labels, Seen] = {}

    def run(self, is_enough: Callable[["Replay"], bool]) -> None:
        """Search until it is enough, or everything was trained."""
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=self.sampler)
        names = list(self.table.fields)
        for labels in self.first:
            study.enqueue_trial(dict(zip(names, labels, strict=True)))
        spaces: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(labels) for name, labels in self.table.fields.items()
        }
        for _ in range(MOST_ASKED):
            if is_enough(self) or len(self.seen) == len(self.table.trained):
                break
            trial = study.ask(spaces)
            labels = tuple(trial.params[name] for name in names)
            if labels not in self.table.trained:
                study.tell(trial, state=TrialState.FAIL)
                continue
            if labels not in self.seen:
                self.begin(labels)
            one = self.seen[labels]
            if one.is_stopped:
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, (one.curve[-1], one.cost))
        while not is_enough(self) and any(one.is_stopped for one in self.seen.values()):
            self.climb(self.nearest())

    def begin(self, labels: Labels) -> None:
        """Train a combination that was not trained before."""
        self.take(labels)
        self.climb(labels)

    def take(self, labels: Labels) -> Seen:
        """A combination, now among those that were seen."""
        trained = self.table.trained[labels]
        return self.seen.setdefault(labels, Seen(trained.curve, trained.cost))

    def climb(self, labels: Labels) -> None:
        """Train a combination from rung to rung, then those that its coming lets go on."""
        waiting = [labels]
        while waiting:
            name = waiting.pop(0)
            one = self.seen[name]
            one.is_stopped = False
            while not one.is_stopped and one.rung < len(self.table.rungs) - 1:
                self.train(one)
                if one.rung == len(self.table.rungs) - 1:
                    self.history.append((self.steps, name))
                elif self.rule:
                    going = self.going(one.rung)
                    one.is_stopped = name not in going and name not in self.first
                    waiting += [
                        other
                        for other in going
                        if self.seen[other].is_stopped
                        and self.seen[other].rung == one.rung
                        and other not in (name, *waiting)
                    ]

    def train(self, one: Seen) -> None:
        """Train from one rung to the next."""
        before = self.table.rungs[one.rung] if one.rung >= 0 else 0
        one.rung += 1
        self.steps += self.table.rungs[one.rung] - before

    def going(self, rung: int) -> list[Labels]:
        """Who is among those that go on from a rung."""
        assert self.rule
        places = self.places(rung)
        return [name for name, place in places.items() if place < self.rule.places(len(places))]

    def places(self, rung: int) -> dict[Labels, int]:
        """The priority of each that came to a rung."""
        assert self.rule
        there = {name: one for name, one in self.seen.items() if one.rung >= rung}
        standings = [
            RungScore((one.curve[rung],), (one.cost,) if self.knows_cost else ())
            for one in there.values()
        ]
        return dict(zip(there, self.rule.priorities(standings), strict=True))

    def nearest(self) -> Labels:
        """The stopped one whose place is the best, as a share of those at its rung."""
        share: dict[Labels, float] = {}
        for rung in range(len(self.table.rungs) - 1):
            places = self.places(rung)
            for name, place in places.items():
                if self.seen[name].is_stopped and self.seen[name].rung == rung:
                    share[name] = place / len(places)
        return min(share, key=lambda name: share[name])


def steps_to(replay: Replay, share: float) -> float:
    """The steps after which the completed have a share of the whole table's hypervolume.

    Returns:
        Infinity where a search that trained everything it proposed did not come to it.
    """
    table = replay.table
    goal = share * table.hypervolume(list(table.trained))

    def is_enough(search: Replay) -> bool:
        return table.hypervolume([labels for _, labels in search.history]) >= goal

    replay.run(is_enough)
    for count in range(1, len(replay.history) + 1):
        if table.hypervolume([labels for _, labels in replay.history[:count]]) >= goal:
            return replay.history[count - 1][0]
    return math.inf
