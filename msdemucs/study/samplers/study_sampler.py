"""Who proposes trials: Optuna's samplers by name, their options, and a random control arm."""

import contextlib
import inspect
import itertools
import json
import math
import random
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState
from pydantic import JsonValue

from msdemucs.spec import nearest
from msdemucs.study.samplers.surrogate.sampler import SurrogateSampler
from msdemucs.study.search_space.conditions import combinations
from msdemucs.study.search_space.objectives import SPENT
from msdemucs.study.search_space.space import Sampler, SearchSpace

CLASSES: dict[str, Callable[..., BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "nsga3": optuna.samplers.NSGAIIISampler,
    "gp": optuna.samplers.GPSampler,
    "qmc": optuna.samplers.QMCSampler,
    "random": optuna.samplers.RandomSampler,
    "grid": optuna.samplers.GridSampler,
    "brute_force": optuna.samplers.BruteForceSampler,
    "surrogate": SurrogateSampler,
}

USUAL: dict[str, dict[str, JsonValue]] = {
    "tpe": {"multivariate": True, "group": True, "constant_liar": True},
    "qmc": {"scramble": True, "warn_independent_sampling": False},
    "gp": {"warn_independent_sampling": False},
}
"""Options that differ from Optuna's own defaults: parameters drawn together, branches of a
conditional space apart, and the trials that others are running taken into account."""

OPTION_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "None": "null",
    "NoneType": "null",
}
"""The types of options as Python and as a YAML author calls them."""

OWN = ("self", "seed", "search_space")
"""Arguments that are not options: a study gives them."""

EXHAUSTIVE = ("grid", "brute_force")
"""Samplers that end a study when everything was tried."""

MOST_COMBINATIONS = 100_000
"""Of an exhaustive sampler: far more than anyone trains."""

MOST_LISTED = 4096
"""Combinations of a space whose untried ones are listed: a list takes some 20 ms."""


@contextlib.contextmanager
def known_experiments() -> Iterator[None]:
    """Without the warnings about the experimental features of Optuna in use here."""
    names = ("group", "set_metric_names", "GPSampler", "QMCSampler", "BruteForceSampler")
    with warnings.catch_warnings():
        for feature in (*names, "NSGAIIISampler"):
            warnings.filterwarnings("ignore", f".*{feature}", category=ExperimentalWarning)
        yield


def make_sampler(space: SearchSpace, *, drawn: int) -> "StudySampler":
    """The sampler of a study.

    Args:
        space: whose sampler, seed and parameters.
        drawn: trials that the study has already; added to the seed, since a continued study
            would otherwise repeat its first proposals. Sequences keep theirs: they go on by
            themselves, and all workers must share them.

    Raises:
        ValueError: an option whose value the sampler does not take.
        TypeError: likewise.
    """
    asked = space.sampler
    options: dict[str, Any] = {**USUAL.get(asked.kind, {}), **asked.options}
    if asked.kind == "grid":
        options["search_space"] = {
            field: variation.values for field, variation in space.vary.items()
        }
    if asked.kind == "surrogate":
        options["search_space"] = space.vary
    goes_on = asked.kind in ("qmc", *EXHAUSTIVE)
    with known_experiments():
        sampler = CLASSES[asked.kind](seed=asked.seed + (0 if goes_on else drawn), **options)
    return StudySampler(sampler, space)


def option_fault(asked: Sampler) -> tuple[str, str, str] | None:
    """(an option that the sampler does not take, what is wrong with it, a hint); None for none."""
    taken = inspect.signature(CLASSES[asked.kind]).parameters
    kinds = {name: _plain_kinds(taken[name]) for name in taken if name not in OWN}
    known = [name for name, plain in kinds.items() if plain]
    for name, value in asked.options.items():
        if name not in known:
            hint = nearest(name, known) if known else f"{asked.kind} has no options"
            return name, f"{asked.kind} has no such option", hint
        is_number = "float" in kinds[name] and type(value) is int
        if type(value).__name__ not in kinds[name] and not is_number:
            wanted = " or ".join(sorted(OPTION_KINDS[kind] for kind in kinds[name]))
            return name, f"must be {wanted}; found {json.dumps(value, ensure_ascii=False)}", ""
    return None


def _plain_kinds(parameter: inspect.Parameter) -> set[str]:
    """The types of an option that YAML can hold; none for one that takes an object."""
    kinds = set(re.findall(r"\w+", str(parameter.annotation))) - {"class", "typing", "Optional"}
    return kinds if kinds <= set(OPTION_KINDS) else set()


def in_control(asked: Sampler, number: int) -> bool:
    """Whether a trial belongs to the control arm: the same answer for the same seed and number."""
    if asked.kind in ("random", *EXHAUSTIVE):
        return False  # nothing to compare with
    return _chance(asked, number).random() < asked.control


def is_used_up(trials: Sequence[FrozenTrial], space: SearchSpace) -> bool:
    """Whether nothing is left to begin.

    No combination of an exhaustive sampler's or of a space that can be listed, those in work
    included; or none of the arms or baselines of a study that draws nothing.
    """
    if space.vary and space.sampler.kind not in EXHAUSTIVE and not can_be_listed(space):
        return False
    if any(trial.state == TrialState.WAITING for trial in trials):
        return False
    if not space.vary:
        return True
    tried = tried_in(trials)
    return all(as_key(one) in tried for one in combinations(space.vary))


def can_be_listed(space: SearchSpace) -> bool:
    """Return whether a space's combinations are few, and each is trained only once.

    A finite space that is larger than MOST_LISTED without its conditions is none.
    """
    sizes = [variation.n_values or math.inf for variation in space.vary.values()]
    is_trained_once = not set(space.objectives) & set(SPENT)
    return bool(sizes) and is_trained_once and math.prod(sizes) <= MOST_LISTED


def tried_in(trials: Sequence[FrozenTrial]) -> set[object]:
    """Return the combinations of trials as keys, also of those that are only enqueued."""
    return {as_key({**t.system_attrs.get("fixed_params", {}), **t.params}) for t in trials}


class StudySampler(BaseSampler):
    """A sampler of Optuna's, but for the control arm, whose trials are drawn at random.

    What the control arm draws depends on the seed and the trial's number alone. Exhaustive samplers
    do not stop the study from inside: `is_used_up` says when it ends.
    """

    def __init__(self, sampler: BaseSampler, space: SearchSpace) -> None:
        self.sampler = sampler
        self.space = space
        self._drawing = (-1, optuna.samplers.RandomSampler(seed=0))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Nothing for the control arm."""
        if in_control(self.space.sampler, trial.number):
            return {}
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
        """Nothing for the control arm, so that no generation counts it in."""
        if in_control(self.space.sampler, trial.number):
            return {}
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


def count_combinations(space: SearchSpace) -> int:
    """How many combinations a finite space has, counted to just above MOST_COMBINATIONS."""
    return sum(1 for _ in itertools.islice(combinations(space.vary), MOST_COMBINATIONS + 1))


def as_key(params: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Parameters as something that can be compared: floats to nine digits."""
    return tuple(
        (name, f"{value:.9g}" if isinstance(value, float) else repr(value))
        for name, value in sorted(params.items())
    )
