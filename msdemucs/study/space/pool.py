"""New combinations among which a surrogate chooses: what they cost, and what it reads of them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from msdemucs.cost import cost_of
from msdemucs.errors import SpecError
from msdemucs.study.space.conditions import combinations
from msdemucs.study.space.limits import COMPUTED
from msdemucs.study.space.samplers import as_key
from msdemucs.study.space.sampling import propose
from msdemucs.study.space.space import Search
from msdemucs.study.space.surrogate import Feature, Point, ends_of, feature
from msdemucs.study.space.surrogate_sampler import SurrogateSampler
from msdemucs.study.space.variations import Scalar

Params = Mapping[str, Scalar]

MUTATED = 0.5
"""The share of combinations that differ in one field from one that was trained to the end."""


class Pool:
    """Combinations of a search space. What each costs is computed once.

    Args:
        search: what is asked.
        sampler: says how many, and the seed.
    """

    def __init__(self, search: Search, sampler: SurrogateSampler) -> None:
        self.search, self.sampler, self.vary = search, sampler, search.space.vary
        self.costs = [name for name in search.space.objectives if name in COMPUTED]
        self._known: dict[object, tuple[float, ...] | None] = {}
        self._draws: dict[int, list[Params]] = {}

    def features(self, params: Params) -> tuple[Feature, ...]:
        """What the model reads of a combination."""
        return tuple(feature(params.get(field), ends) for field, ends in self._ends.items())

    @cached_property
    def _ends(self) -> dict[str, tuple[float, float] | None]:
        """Of each field the smallest and the largest number that it may be."""
        found: dict[str, tuple[float, float] | None] = {}
        for field, variation in self.vary.items():
            labels = [label for label, _ in variation.options]
            found[field] = ends_of(variation.int or variation.float or labels)
        return found

    def candidates(self, trials: Sequence[FrozenTrial]) -> list[tuple[Point, Params]]:
        """Combinations that are valid, allowed, and not in the study."""
        tried = {as_key(trial.params) for trial in trials}
        found = {}
        for params in self._drawn(trials):
            key = as_key(params)
            costs = None if key in tried or key in found else self.cost(params)
            if costs is not None:
                found[key] = (Point(self.features(params), costs), params)
        return list(found.values())

    def _drawn(self, trials: Sequence[FrozenTrial]) -> Iterator[Params]:
        """All combinations where there are few, else random ones and neighbours of the trained.

        The same ones again and again, so that their costs are known.
        """
        if self._few is not None:
            yield from self._few
            return
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        near = int(MUTATED * self.sampler.n_candidates) if complete else 0
        yield from self._random(0, self.sampler.n_candidates - near)
        for trial in complete[-near:]:
            yield from self._random(trial.number + 1, -(-near // len(complete)), trial.params)

    def _random(self, seed: int, count: int, near: Params | None = None) -> list[Params]:
        """Random combinations, or such that differ from one in one field and what hangs on it."""
        found = self._draws.get(seed, [])
        if len(found) < count:
            random = np.random.default_rng([self.sampler.seed, seed])
            sampler = optuna.samplers.RandomSampler(seed=int(random.integers(2**31)))
            study = optuna.create_study(sampler=sampler)
            found = []
            for _ in range(count):
                if near is not None:
                    left_out = str(random.choice(sorted(self.vary)))
                    study.enqueue_trial({f: one for f, one in near.items() if f != left_out})
                trial = study.ask()
                propose(trial, self.vary)
                found.append(trial.params)
            self._draws[seed] = found
        return found[:count]

    @cached_property
    def _few(self) -> list[Params] | None:
        """Every combination of a space that has no more than can be ranked."""
        count = self.sampler.n_candidates
        if any((variation.n_values or count + 1) > count for variation in self.vary.values()):
            return None
        found: list[Params] = [*itertools.islice(combinations(self.vary), count + 1)]
        return found if len(found) <= count else None

    def cost(self, params: Params) -> tuple[float, ...] | None:
        """The costs of a combination; None where it is not valid, or costs more than is allowed."""
        key = as_key(params)
        if key not in self._known:
            self._known[key] = self._cost(params)
        return self._known[key]

    def _cost(self, params: Params) -> tuple[float, ...] | None:
        values = {field: self.vary[field].value_of(label) for field, label in params.items()}
        try:
            figures = cost_of(self.search.spec(values)).figures
        except SpecError:
            return None
        for name, most in self.search.space.constraints.items():
            if figures.get(name, 0) > most:
                return None
        return tuple(float(figures[name]) for name in self.costs)
