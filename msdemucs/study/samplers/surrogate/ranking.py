"""What would be trained best next, in a study whose sampler is a surrogate?

Its trials, running or stopped, and combinations that it has not begun are ranked by the hypervolume
that each is expected to add once it is trained to the end (msdemucs.study.samplers.surrogate.acquisition), by a model
of all scores so far (msdemucs.study.samplers.surrogate.model) in the study's first quality, turned so that
more is better. The sampler takes the best new combination, a
trial that comes to a rung goes on while none promises more, and a stopped one is taken up when it
promises the most.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.samplers.rungs import (
    RESUMES,
    enqueue,
    identity,
    is_past,
    is_protected,
)
from msdemucs.study.samplers.study_sampler import StudySampler
from msdemucs.study.samplers.surrogate.acquisition import Front, expected_gains, volume
from msdemucs.study.samplers.surrogate.candidates import Params, Pool
from msdemucs.study.samplers.surrogate.model import Point, Surrogate
from msdemucs.study.samplers.surrogate.sampler import SurrogateSampler
from msdemucs.study.search_space.objectives import qualities_of, turned
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.scores import at_rung
from msdemucs.study.storage.states import is_stopped


@dataclass(frozen=True)
class Promise:
    """What could be trained next.

    Attributes:
        gain: the hypervolume that it is expected to add, as a share of what is dominated so far.
        point: what the model knows of it.
        params: of a new combination.
        trial: the number of one that was begun, None for a new one.
    """

    gain: float
    point: Point
    params: Params
    trial: int | None = None


@dataclass(frozen=True)
class Begun:
    """One training of a study, which several trials may have gone on with."""

    point: Point
    last: FrozenTrial
    is_complete: bool


class Promises:
    """The model of one study.

    Args:
        search: what it asks.
        sampler: whose options are followed.
    """

    def __init__(self, search: Search, sampler: SurrogateSampler) -> None:
        self.search, self.sampler = search, sampler
        space = search.space
        self.pool = Pool(search, sampler)
        self.quality = qualities_of(space.objectives)[0]
        self.rungs = space.fidelity.rungs if space.fidelity else ()

    @cached_property
    def surrogate(self) -> Surrogate:
        """Over the study's rungs and its recipe's end."""
        return Surrogate((*self.rungs, self.search.recipe({}).n_steps))

    @property
    def startup(self) -> int:
        """Specs that have a score before the model is asked; all, where the study has fewer."""
        return min(self.sampler.n_startup_trials, self.search.space.trials)

    def new(self, trials: Sequence[FrozenTrial]) -> Params:
        """Parameters of the new combination that promises most; none before enough is scored."""
        found = [one for one in self.ranked(trials) if one.trial is None]
        return found[0].params if found else {}

    def ranked(self, trials: Sequence[FrozenTrial], *, judged: int | None = None) -> list[Promise]:
        """All that could be trained next, the best first.

        Stopped trials, new combinations where the study wants more trials, and the one that is
        judged. Trials that others run are taken to end as they are expected to.
        """
        begun = self.begun(trials)
        if sum(bool(one.point.scores) for one in begun) < self.startup:
            return []
        new = self.pool.candidates(trials) if len(begun) < self.search.space.trials else []
        points = [*(one.point for one in begun), *(point for point, _ in new)]
        gains = self.gains(points, begun, judged)
        taken = {trial.user_attrs.get(RESUMES) for trial in trials}
        found = [
            Promise(gain, one.point, {}, one.last.number)
            for gain, one in zip(gains, begun, strict=False)
            if one.last.number == judged or (is_paused(one.last) and one.last.number not in taken)
        ]
        found += [
            Promise(gain, point, params)
            for gain, (point, params) in zip(gains[len(begun) :], new, strict=True)
        ]
        return sorted(found, key=lambda one: -one.gain)

    def objection(self, study: optuna.Study, trial: optuna.Trial, step: int) -> str:
        """Why a trial stops at a rung that it has come to; "" where it goes on."""
        attrs = trial.user_attrs
        if step not in self.rungs or is_protected(attrs) or is_past(attrs, step):
            return ""
        ranked = self.ranked(study.get_trials(deepcopy=False), judged=trial.number)
        if not ranked:
            return f"at step {step}: it waits until {self.startup} specs have a score"
        best = ranked[0]
        own = next((one for one in ranked if one.trial == trial.number), None)
        if own is None or (own is best and own.gain >= self.sampler.least_gain):
            return ""
        other = "a new spec" if best.trial is None else f"trial {best.trial}"
        least = f"at least {self.sampler.least_gain:.1%}"
        compared = f"{least} is asked" if own is best else f"{other} {best.gain:+.1%}"
        return f"at step {step}: it promises {own.gain:+.1%} hypervolume, {compared}"

    def take_up(self, study: optuna.Study) -> list[int]:
        """Enqueue the stopped trial that promises the most, if nothing new does; its number."""
        trials = study.get_trials(deepcopy=False)
        if any(trial.state == TrialState.WAITING for trial in trials):
            return []
        best = next(iter(self.ranked(trials)), None)
        if best is None or best.trial is None or best.gain < self.sampler.least_gain:
            return []
        stopped = trials[best.trial]
        enqueue(study, stopped, int(stopped.user_attrs["stopped_at"]))
        return [best.trial]

    def gains(self, points: list[Point], begun: list[Begun], judged: int | None) -> list[float]:
        """The share of the hypervolume so far that each point is expected to add."""
        belief = self.surrogate.believe(points)
        last = len(self.rungs)
        logs = np.log(np.array([point.costs for point in points], dtype=float))
        on_front, heights = [], []
        for at, one in enumerate(begun):
            is_under_way = not is_paused(one.last) and one.last.number != judged
            if one.is_complete or is_under_way:
                on_front.append(at)
                heights.append(one.point.scores.get(last, float(belief.mean[at])))
        floor = float(min([*heights, belief.mean.min()]))  # the worst that was seen or is expected
        front = Front(np.array(heights), logs[on_front], floor)
        so_far = volume(front, logs) or 1.0
        gains = expected_gains(front, logs, belief.mean, belief.deviation)
        return [float(gain) / so_far for gain in gains]

    def begun(self, trials: Sequence[FrozenTrial]) -> list[Begun]:
        """What the study trains or has trained, each once; not what it refused or what failed."""
        together: dict[object, list[FrozenTrial]] = {}
        for trial in trials:
            is_refused = trial.state == TrialState.PRUNED and not is_stopped(trial)
            costs = self.costs_of(trial)
            if is_refused or trial.state in (TrialState.FAIL, TrialState.WAITING) or costs is None:
                continue
            together.setdefault(identity(trial.user_attrs), []).append(trial)
        return [self._one(same) for same in together.values()]

    def _one(self, same: Sequence[FrozenTrial]) -> Begun:
        scores: dict[int, float] = {}
        index = list(self.search.space.objectives).index(self.quality)
        for trial in same:
            for rung, step in enumerate(self.rungs):
                if self.quality in (there := at_rung(trial.user_attrs, step)):
                    scores[rung] = there[self.quality]
            if trial.state == TrialState.COMPLETE:
                scores[len(self.rungs)] = trial.values[index]
        costs = self.costs_of(same[-1])
        assert costs is not None
        known = {
            rung: turned(self.quality, value)
            for rung, value in scores.items()
            if math.isfinite(value)
        }
        point = Point(self.pool.features(same[-1].params), costs, known)
        is_complete = any(trial.state == TrialState.COMPLETE for trial in same)
        return Begun(point, same[-1], is_complete)

    def costs_of(self, trial: FrozenTrial) -> tuple[float, ...] | None:
        """A trial's costs, None before they are recorded."""
        found = tuple(float(trial.user_attrs.get(name, 0)) for name in self.pool.costs)
        return found if all(value > 0 for value in found) else None


def remark(search: Search) -> str:
    """What a surrogate leaves out of its model, in words; "" for nothing, or another sampler."""
    first, *further = qualities_of(search.space.objectives) or [""]
    if search.space.sampler.kind != "surrogate" or not further:
        return ""
    others = " and ".join(further)
    return (
        f"surrogate proposes and stops trials by {first}, the first quality among the objectives, "
        f"and costs; {others} {'is' if len(further) == 1 else 'are'} recorded and on the front, "
        "but decides nothing before"
    )


def is_paused(trial: FrozenTrial) -> bool:
    """Whether a trial was stopped and could go on."""
    return is_stopped(trial) and "duplicate_of" not in trial.user_attrs


def promises_of(search: Search, study: optuna.Study) -> Promises | None:
    """The model of a study whose sampler is a surrogate, which follows it; None for others."""
    mine = study.sampler.sampler if isinstance(study.sampler, StudySampler) else None
    if not isinstance(mine, SurrogateSampler):
        return None
    owner = getattr(mine.propose, "__self__", None)
    if isinstance(owner, Promises):
        return owner
    made = Promises(search, mine)
    mine.propose = made.new
    return made
