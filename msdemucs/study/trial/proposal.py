"""What a trial trains: an arm, a baseline, or what the sampler drew, with its recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import optuna

from msdemucs.cost import cost_of
from msdemucs.errors import Problem, SpecError
from msdemucs.spec import Spec, diff_specs, dump_spec, spec_hash
from msdemucs.study.samplers.study_sampler import in_control
from msdemucs.study.search_space.fields import expressed, propose
from msdemucs.study.search_space.space import Search
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.log_file import LOG
from msdemucs.study.trial.provenance import revision, versions
from msdemucs.study.trial.recorder import TrialRecorder

if TYPE_CHECKING:
    from msdemucs.train.recipe import Recipe

ENQUEUED = ("baseline", "arm_name", "repeats", "resumes")
"""What marks a trial that no sampler drew."""


def propose_candidate(
    search: Search, trial: optuna.Trial, log: TrialRecorder, *, folder: Path
) -> Candidate:
    """What a trial trains, with all on record that is known before training.

    Raises:
        SpecError: it has no valid spec or recipe.
        InfeasibleError: it costs more than the study allows, and is no baseline.
    """
    log.hold_to(search.space.constraints, is_exempt="baseline" in trial.user_attrs)
    log.note("is_control", is_control(search, trial))
    proposal = proposed(search, trial)
    log.note("recipe", proposal.recipe.model_dump(mode="json"))
    describe(search, proposal.spec, log)
    seed = int(trial.user_attrs.get("seed", search.space.seed))
    log.note("seed", seed)
    log.note("log", str(folder / LOG))
    return Candidate(trial.number, proposal.name, proposal.spec, seed, folder, proposal.recipe)


def describe(search: Search, spec: Spec, log: TrialRecorder) -> None:
    """Record a spec, its costs and the versions at work.

    Raises:
        InfeasibleError: a cost exceeds its constraint.
    """
    differences = diff_specs(search.base, spec)
    log.note("spec", dump_spec(spec))
    log.note("spec_hash", spec_hash(spec))
    log.note("differences", {field: list(pair) for field, pair in differences.items()})
    log.note("versions", versions())
    log.note("git", revision())
    log.record(cost_of(spec).figures)


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
        SpecError: they make no valid spec or recipe, or none at the cost that is asked for; no arm
            was left.
    """
    baseline, arm = (trial.user_attrs.get(name) for name in ("baseline", "arm_name"))
    only = None if baseline is None else expressed(search.baselines[baseline], search.space.vary)
    fields = propose(trial, search.space.vary, only=only)
    name = str(baseline or arm or f"trial {trial.number}")
    if search.arms:
        if arm is None:  # another process took the last one
            raise SpecError([Problem("no arm was left to train")])
        spec, fields = search.arms[arm].spec, dict(search.arms[arm].fields)
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
