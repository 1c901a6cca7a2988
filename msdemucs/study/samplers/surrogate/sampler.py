"""The sampler that asks a model what to train next, and judges rungs by it.

A study's trials, running or stopped, and combinations that it has not begun are ranked by the
hypervolume that each is expected to add once it is trained to the end, by a model of all scores so
far (`model`) in the study's first quality, turned so that more is better. The best
new combination is proposed, a trial that comes to a rung goes on while none promises more, and a
stopped one is taken up when it promises the most.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from msdemucs.cost import cost_of
from msdemucs.errors import SpecError
from msdemucs.study.records import COMPUTED, qualities_of, turned
from msdemucs.study.samplers.rungs import (
    RESUMES,
    can_go_on,
    enqueue,
    identity,
    is_past,
    is_protected,
)
from msdemucs.study.samplers.surrogate.model import (
    CurveModel,
    Feature,
    SpecPoint,
    TrainedFront,
    ends_of,
    expected_improvements,
    feature,
    volume,
)
from msdemucs.study.search_space.fields import propose
from msdemucs.study.search_space.sampling import SurrogateOptions
from msdemucs.study.search_space.space import Search
from msdemucs.study.search_space.variations import Scalar, as_key, combinations
from msdemucs.study.storage.results import at_rung, is_stopped

Params = Mapping[str, Scalar]

MUTATED = 0.5
"""The share of combinations that differ in one field from one that was trained to the end."""


@dataclass(frozen=True)
class Choice:
    """What could be trained next.

    Attributes:
        gain: the hypervolume that it is expected to add, as a share of what is dominated so far
            and by the choice that adds the most.
        params: of a new combination.
        trial: the number of one that was begun, None for a new one.
    """

    gain: float
    params: Params
    trial: int | None = None


@dataclass(frozen=True)
class Begun:
    """One training of a study, which several trials may have gone on with."""

    point: SpecPoint
    last: FrozenTrial
    is_complete: bool


class SurrogateSampler(RandomSampler):
    """Draws at random until enough was scored, and then what its model expects most of.

    It is the study's `RungJudge`, too.

    Args:
        search: what the study asks.
        seed: of the random draws.
    """

    def __init__(self, search: Search, *, seed: int) -> None:
        super().__init__(seed=seed)
        space = search.space
        self.space = space
        self.options = SurrogateOptions(**space.sampler.options)  # type: ignore[arg-type] # (checked)
        self.candidates = Candidates(search, n_candidates=self.options.n_candidates, seed=seed)
        self.quality = next(iter(qualities_of(space.objectives)))
        self.rungs = space.fidelity.rungs if space.fidelity else ()
        self.model = CurveModel((*self.rungs, search.recipe({}).n_steps))

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002 (Optuna's signature)
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Every field that may have several values."""
        return {
            field: variation.distribution
            for field, variation in self.space.vary.items()
            if not variation.distribution.single()
        }

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return the new combination that the model expects most of; nothing for a random draw."""
        if not search_space:
            return {}
        ranked = self.ranked(study.get_trials(deepcopy=False))
        params = next((choice.params for choice in ranked if choice.trial is None), {})
        return {field: value for field, value in params.items() if field in search_space}

    def objection(self, study: optuna.Study, trial: optuna.Trial, step: int) -> str:
        """As `RungJudge` says."""
        attrs = trial.user_attrs
        if step not in self.rungs or is_protected(attrs) or is_past(attrs, step):
            return ""
        ranked = self.ranked(study.get_trials(deepcopy=False), judged=trial.number)
        if not ranked:
            return f"at step {step}: it waits until {self.n_startup} specs have a score"
        best = ranked[0]
        judged = next((choice for choice in ranked if choice.trial == trial.number), None)
        least_gain = self.options.least_gain
        if judged is None or (judged is best and judged.gain >= least_gain):
            return ""
        other = "a new spec" if best.trial is None else f"trial {best.trial}"
        least = f"at least {least_gain:.1%} is asked"
        compared = least if judged is best else f"{other} {best.gain:+.1%}"
        return f"at step {step}: it promises {judged.gain:+.1%} hypervolume, {compared}"

    def take_up(self, study: optuna.Study) -> list[int]:
        """As `RungJudge` says: the trial that promises the most, if nothing new does."""
        trials = study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.WAITING for trial in trials):
            return []
        best = next(iter(self.ranked(trials)), None)
        if best is None or best.trial is None or best.gain < self.options.least_gain:
            return []
        stopped = trials[best.trial]
        enqueue(study, stopped, int(stopped.user_attrs["stopped_at"]))
        return [best.trial]

    @property
    def n_startup(self) -> int:
        """Specs that have a score before the model is asked; all, where the study has fewer."""
        return min(self.options.n_startup_trials, self.space.trials)

    def ranked(self, trials: Sequence[FrozenTrial], *, judged: int | None = None) -> list[Choice]:
        """Return all that could be trained next, the best first; nothing before enough is scored.

        Stopped trials, new combinations where the study wants more trials, and the one that is
        judged. Trials that others run are taken to end as they are expected to.
        """
        begun = self._begun(trials)
        if sum(bool(training.point.scores) for training in begun) < self.n_startup:
            return []
        new = self.candidates.untried(trials) if len(begun) < self.space.trials else []
        points = [*(training.point for training in begun), *(point for point, _ in new)]
        gains = self._gains(points, begun, judged)
        resumed = {trial.user_attrs.get(RESUMES) for trial in trials}
        choices = [
            Choice(gain, {}, training.last.number)
            for gain, training in zip(gains, begun, strict=False)
            if training.last.number == judged
            or (can_go_on(training.last) and training.last.number not in resumed)
        ]
        choices += [
            Choice(gain, params) for gain, (_, params) in zip(gains[len(begun) :], new, strict=True)
        ]
        return sorted(choices, key=lambda choice: -choice.gain)

    def _gains(
        self, points: list[SpecPoint], begun: list[Begun], judged: int | None
    ) -> list[float]:
        """What each point is expected to add, a share of the hypervolume with the best of them."""
        posterior = self.model.predict(points)
        last = len(self.rungs)
        logs = np.log(np.array([point.costs for point in points], dtype=float))
        on_front, heights = [], []
        for index, training in enumerate(begun):
            is_under_way = not can_go_on(training.last) and training.last.number != judged
            if training.is_complete or is_under_way:
                on_front.append(index)
                heights.append(training.point.scores.get(last, float(posterior.mean[index])))
        floor = float(min([*heights, posterior.mean.min()]))  # the worst seen or expected
        front = TrainedFront(np.array(heights), logs[on_front], floor)
        gains = expected_improvements(front, logs, posterior.mean, posterior.deviation)
        with_the_best = volume(front, logs) + gains.max()
        return [float(gain / with_the_best) if with_the_best else 0.0 for gain in gains]

    def _begun(self, trials: Sequence[FrozenTrial]) -> list[Begun]:
        """What the study trains or has trained, each once; not what it refused or what failed."""
        together: dict[object, list[FrozenTrial]] = {}
        for trial in trials:
            is_refused = trial.state == TrialState.PRUNED and not is_stopped(trial)
            is_over = is_refused or trial.state in (TrialState.FAIL, TrialState.WAITING)
            if not is_over and self._costs_of(trial) is not None:
                together.setdefault(identity(trial.user_attrs), []).append(trial)
        return [self._training(same) for same in together.values()]

    def _training(self, same: Sequence[FrozenTrial]) -> Begun:
        scores: dict[int, float] = {}
        index = list(self.space.objectives).index(self.quality)
        for trial in same:
            for rung, step in enumerate(self.rungs):
                if self.quality in (there := at_rung(trial.user_attrs, step)):
                    scores[rung] = there[self.quality]
            if trial.state == TrialState.COMPLETE:
                scores[len(self.rungs)] = trial.values[index]
        known = {
            rung: turned(self.quality, value)
            for rung, value in scores.items()
            if math.isfinite(value)
        }
        last = same[-1]
        costs = self._costs_of(last)
        assert costs is not None
        features = self.candidates.features(last.params)
        is_complete = any(trial.state == TrialState.COMPLETE for trial in same)
        return Begun(SpecPoint(features, costs, known), last, is_complete)

    def _costs_of(self, trial: FrozenTrial) -> tuple[float, ...] | None:
        """A trial's costs, as many as are objectives; None before they are recorded."""
        costs = tuple(float(trial.user_attrs.get(name, 0)) for name in self.candidates.costs)
        return costs if all(value > 0 for value in costs) else None


class Candidates:
    """Combinations of a search space. What each costs is computed once.

    Args:
        search: what is asked.
        n_candidates: how many are considered at once.
        seed: of those that are drawn.
    """

    def __init__(self, search: Search, *, n_candidates: int, seed: int) -> None:
        self.search, self.vary = search, search.space.vary
        self.n_candidates, self.seed = n_candidates, seed
        self.costs = [name for name in search.space.objectives if name in COMPUTED]
        self._known: dict[object, tuple[float, ...] | None] = {}
        self._draws: dict[int, list[Params]] = {}

    def features(self, params: Params) -> tuple[Feature, ...]:
        """What the model reads of a combination."""
        return tuple(feature(params.get(field), ends) for field, ends in self._ends.items())

    @cached_property
    def _ends(self) -> dict[str, tuple[float, float] | None]:
        """Of each field the smallest and the largest number that it may be."""
        return {
            field: ends_of(
                variation.int or variation.float or [label for label, _ in variation.options]
            )
            for field, variation in self.vary.items()
        }

    def untried(self, trials: Sequence[FrozenTrial]) -> list[tuple[SpecPoint, Params]]:
        """Combinations that are valid, allowed, and not in the study."""
        tried = {as_key(trial.params) for trial in trials}
        new = {}
        for params in self._drawn(trials):
            key = as_key(params)
            costs = None if key in tried or key in new else self.cost(params)
            if costs is not None:
                new[key] = (SpecPoint(self.features(params), costs), params)
        return list(new.values())

    def _drawn(self, trials: Sequence[FrozenTrial]) -> Iterator[Params]:
        """All combinations where there are few, else random ones and neighbours of the trained.

        The same ones again and again, so that their costs are known.
        """
        if self._few is not None:
            yield from self._few
            return
        complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        near = int(MUTATED * self.n_candidates) if complete else 0
        yield from self._random(0, self.n_candidates - near)
        for trial in complete[-near:]:
            yield from self._random(trial.number + 1, -(-near // len(complete)), trial.params)

    def _random(self, seed: int, count: int, near: Params | None = None) -> list[Params]:
        """Random combinations, or such that differ from one in one field and what hangs on it."""
        drawn = self._draws.get(seed, [])
        if len(drawn) < count:
            random = np.random.default_rng([self.seed, seed])
            sampler = optuna.samplers.RandomSampler(seed=int(random.integers(2**31)))
            study = optuna.create_study(sampler=sampler)
            drawn = []
            for _ in range(count):
                if near is not None:
                    left_out = str(random.choice(sorted(self.vary)))
                    study.enqueue_trial({f: near[f] for f in near if f != left_out})
                trial = study.ask()
                propose(trial, self.vary)
                drawn.append(trial.params)
            self._draws[seed] = drawn
        return drawn[:count]

    @cached_property
    def _few(self) -> list[Params] | None:
        """Every combination of a space that has no more than can be ranked."""
        count = self.n_candidates
        if any((variation.n_values or count + 1) > count for variation in self.vary.values()):
            return None
        few: list[Params] = [*itertools.islice(combinations(self.vary), count + 1)]
        return few if len(few) <= count else None

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
