"""What a trial trains: an arm, a baseline, or what the sampler drew, with its recipe."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna

from msdemucs.spec import Spec
from msdemucs.study.arms import arm_of
from msdemucs.study.samplers import in_control
from msdemucs.study.sampling import expressed, propose
from msdemucs.study.space import Search

if TYPE_CHECKING:
    from msdemucs.train.recipe import Recipe

ENQUEUED = ("baseline", "arm_name", "repeats", "resumes")
"""What marks a trial that no sampler drew."""


@dataclass(frozen=True)
class Proposal:
    """What a trial is about.

    Attributes:
        name: the baseline's or arm's name, or "trial 7".
        recipe: how it is trained.
    """

    name: str
    spec: Spec
    recipe: "Recipe"


def proposed(search: Search, trial: optuna.Trial) -> Proposal:
    """What a trial is about; its parameters are drawn on the way.

    Raises:
        SpecError: they make no valid spec or recipe, or none at the cost that is asked for.
    """
    baseline, arm = (trial.user_attrs.get(name) for name in ("baseline", "arm_name"))
    only = None if baseline is None else expressed(search, baseline)
    fields = propose(trial, search.space.vary, only=only)
    name = str(baseline or arm or f"trial {trial.number}")
    if search.arms:
        spec, fields = arm_of(search, arm)
    elif baseline is not None:
        spec = search.baselines[baseline]
    else:
        spec = search.spec(fields, name=name)
    return Proposal(name, spec, search.recipe(fields))


def is_control(search: Search, trial: optuna.Trial) -> bool:
    """Whether a trial is of the random control arm: drawn so, or the repetition of one that was."""
    attrs = trial.user_attrs
    if any(name in attrs for name in ENQUEUED):
        return bool(attrs.get("is_control", False))
    return in_control(search.space.sampler, trial.number)
