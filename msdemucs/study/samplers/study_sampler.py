"""Who proposes a study's trials: Optuna's sampler or the surrogate, and a random control arm."""

import random
from collections.abc import Sequence
from typing import Any, cast

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.records import qualities_of
from msdemucs.study.samplers.rungs import HalvingJudge, RungJudge
from msdemucs.study.samplers.surrogate.sampler import SurrogateSampler
from msdemucs.study.search_space.sampling import (
    EXHAUSTIVE,
    OPTIONS,
    Sampler,
    known_experiments,
    sampler_options,
)
from msdemucs.study.search_space.space import Search, SearchSpace
from msdemucs.study.search_space.variations import untried


def make_sampler(search: Search, *, drawn: int) -> "StudySampler":
    """Return the sampler of a study.

    Args:
        search: whose sampler, seed and parameters.
        drawn: trials that the study has already; added to the seed, since a continued study
            would otherwise repeat its first proposals. Sequences keep theirs: they go on by
            themselves, and all workers must share them.
    """
    space = search.space
    kind, options = space.sampler.kind, sampler_options(space.sampler, space.vary)
    seed = space.sampler.seed + (0 if kind in ("qmc", *EXHAUSTIVE) else drawn)
    if kind == "surrogate":
        return StudySampler(SurrogateSampler(search, seed=seed), space)
    with known_experiments():
        return StudySampler(cast(BaseSampler, OPTIONS[kind](seed=seed, **options)), space)


def rung_judge(search: Search, study: optuna.Study) -> RungJudge | None:
    """Return who decides at a study's rungs which trials go on; None where it has no rungs."""
    sampler = study.sampler.sampler if isinstance(study.sampler, StudySampler) else None
    if isinstance(sampler, SurrogateSampler):
        return sampler
    fidelity = search.space.fidelity
    return HalvingJudge(fidelity) if fidelity else None


def remark(search: Search) -> str:
    """Return what a surrogate leaves out of its model, in words; "" for nothing to say."""
    first, *further = qualities_of(search.space.objectives) or [""]
    if search.space.sampler.kind != "surrogate" or not further:
        return ""
    others = " and ".join(further)
    return (
        f"surrogate proposes and stops trials by {first}, the first quality among the objectives, "
        f"and costs; {others} {'is' if len(further) == 1 else 'are'} recorded and on the front, "
        "but decides nothing before"
    )


def in_control(asked: Sampler, number: int) -> bool:
    """Whether a trial belongs to the control arm: the same answer for the same seed and number."""
    if asked.kind in ("random", *EXHAUSTIVE):
        return False  # nothing to compare with
    return _chance(asked, number).random() < asked.control


class StudySampler(BaseSampler):
    """A sampler of Optuna's, but for the control arm, whose trials are drawn at random.

    What the control arm draws depends on the seed and the trial's number alone. Exhaustive samplers
    do not stop the study from inside: `SearchSpace.is_used_up` says when it ends.
    """

    def __init__(self, sampler: BaseSampler, space: SearchSpace) -> None:
        self.sampler = sampler
        self.space = space
        self._drawing = (-1, optuna.samplers.RandomSampler(seed=0))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the sampler's search space; an empty one for the control arm."""
        if in_control(self.space.sampler, trial.number):
            return {}
        if self.space.sampler.kind == "brute_force":
            return {
                field: variation.distribution
                for field, variation in self.space.vary.items()
                if not variation.distribution.single()
            }
        if self.space.sampler.kind == "qmc":  # Optuna would take the first trial's, a baseline's
            return {
                field: variation.distribution
                for field, variation in self.space.vary.items()
                if not variation.when and not variation.distribution.single()
            }
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the sampler's draw; none for the control arm, which no generation counts in."""
        if in_control(self.space.sampler, trial.number):
            return {}
        if self.space.sampler.kind == "brute_force":
            # Optuna's tree of what was tried takes no trial that lacks a field, as a baseline may.
            new = [*untried(self.space.vary, study.get_trials(deepcopy=False))]
            params = _chance(self.space.sampler, trial.number).choice(new) if new else {}
            return {field: value for field, value in params.items() if field in search_space}
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """At random for the control arm."""
        if not in_control(self.space.sampler, trial.number):
            return self.sampler.sample_independent(study, trial, param_name, param_distribution)
        if self._drawing[0] != trial.number:
            seed = _chance(self.space.sampler, trial.number).getrandbits(32)
            self._drawing = (trial.number, optuna.samplers.RandomSampler(seed=seed))
        return self._drawing[1].sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """As the sampler does."""
        self.sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """As the sampler does; exhaustive ones would only stop a loop that is not Optuna's."""
        if self.space.sampler.kind not in EXHAUSTIVE:
            self.sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """As the sampler does."""
        self.sampler.reseed_rng()


def _chance(asked: Sampler, number: int) -> random.Random:
    return random.Random(f"control {asked.seed} {number}")  # noqa: S311 (nothing to keep secret)
