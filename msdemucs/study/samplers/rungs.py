"""Trials judged at their rungs against the others of a study, and taken up again later."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial

from msdemucs.metrics import USUAL
from msdemucs.study.records import ranked_by
from msdemucs.study.samplers.halving import Halving, RungScore
from msdemucs.study.search_space.fidelity import Fidelity
from msdemucs.study.search_space.objectives import COMPUTED, MEASURED, turned
from msdemucs.study.storage.results import STOPPED_AT, at_rung, has_failed, is_stopped

KNOWN = (*COMPUTED, *MEASURED)
"""Objectives that are known before training, and by which trials are judged beside qualities."""

RESUMES, RESUMES_AT = "resumes", "resumes_at"
"""On a trial that takes a stopped one up again: its number, and the step at which it stopped."""

CARRIED = ("baseline", "seed", "folder", "is_control")
"""What a stopped trial hands on."""


class RungJudge(Protocol):
    """Decides which trials of a study go on from its rungs."""

    def objection(self, study: optuna.Study, trial: optuna.Trial, step: int) -> str:
        """Return why a running trial stops at the rung of a step; "" where it goes on."""

    def take_up(self, study: optuna.Study) -> Sequence[int]:
        """Enqueue the stopped trials that go on by now, and return their numbers.

        Call it while holding the study's lock. Each is enqueued once, with its parameters, seed
        and folder, so that it resumes from its checkpoint.
        """


class HalvingJudge:
    """Compares trials at a rung with all others that came to it, by successive halving.

    Args:
        fidelity: the study's rungs, and how the rule is set.
    """

    def __init__(self, fidelity: Fidelity) -> None:
        self.fidelity = fidelity

    def objection(self, study: optuna.Study, trial: optuna.Trial, step: int) -> str:
        """As `RungJudge` says."""
        attrs = trial.user_attrs
        if step not in self.fidelity.rungs or is_protected(attrs) or is_past(attrs, step):
            return ""
        names = study.metric_names or ()
        others = rung(study, step)
        standing = others.pop(identity(attrs), None) or rung_score(attrs, names, step)
        rule = rule_of(study, self.fidelity)
        if standing is None or rule.goes_on(standing, [*others.values()]):
            return ""
        n_trials = len(others) + 1
        place = rule.priorities([standing, *others.values()])[0] + 1
        scores = at_rung(attrs, step)
        shown = ", ".join(f"{name} {scores[name]:.2f}" for name in ranked_by(names))
        return (
            f"at step {step}: place {place} of {n_trials} there, of which "
            f"{rule.places(n_trials)} go on ({shown})"
        )

    def take_up(self, study: optuna.Study) -> list[int]:
        """As `RungJudge` says."""
        trials = study.get_trials(deepcopy=False)
        resumed = {trial.user_attrs.get(RESUMES) for trial in trials}
        stopped = [t for t in trials if can_go_on(t) and t.number not in resumed]
        rule, taken = rule_of(study, self.fidelity), []
        for step in self.fidelity.rungs:
            here = [trial for trial in stopped if trial.user_attrs[STOPPED_AT] == step]
            going = rule.going(rung(study, step)) if here else set()
            for trial in here:
                if identity(trial.user_attrs) in going:
                    enqueue(study, trial, step)
                    taken.append(trial.number)
        return taken


def can_go_on(trial: FrozenTrial) -> bool:
    """Return whether a trial was stopped at a rung and has a checkpoint of its own."""
    return is_stopped(trial) and "duplicate_of" not in trial.user_attrs


def taken_up(trials: Sequence[FrozenTrial]) -> set[int]:
    """The numbers of stopped trials that another one has taken up, or will, and did not fail."""
    return {
        int(trial.user_attrs[RESUMES])
        for trial in trials
        if RESUMES in trial.user_attrs and not has_failed(trial)
    }


def enqueue(study: optuna.Study, trial: FrozenTrial, step: int) -> None:
    """Have a trial that stopped at a step go on from there."""
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    attrs = {key: trial.user_attrs[key] for key in CARRIED if key in trial.user_attrs}
    attrs.setdefault("folder", str(trial.number))
    study.enqueue_trial(params, user_attrs={**attrs, RESUMES: trial.number, RESUMES_AT: step})


def rule_of(study: optuna.Study, fidelity: Fidelity) -> Halving:
    """Who goes on, by the noise between seeds that the study has measured, if it has."""
    noise, qualities = study.user_attrs.get("noise"), ranked_by(study.metric_names or ())
    noise_db = 0.0
    if isinstance(noise, dict) and noise.get("quality", USUAL) == qualities[0]:
        noise_db = float(noise["sigma_db"])
    measured = math.sqrt(2) * noise_db
    return Halving(
        eta=fidelity.eta,
        survivors=fidelity.survivors,
        delta_db=measured if fidelity.delta_db is None else fidelity.delta_db,
        thinning=fidelity.thinning,
        n_qualities=len(qualities),
    )


def rung(study: optuna.Study, step: int) -> dict[tuple[object, object], RungScore]:
    """Who came to a rung; a trial that goes on with another's training is the same one."""
    scores, names = {}, study.metric_names or ()
    for trial in study.get_trials(deepcopy=False):
        score = rung_score(trial.user_attrs, names, step)
        if score is not None:
            scores[identity(trial.user_attrs)] = score
    return scores


def rung_score(attrs: Mapping[str, Any], objectives: Sequence[str], step: int) -> RungScore | None:
    """How a trial stands at a rung by a study's objectives; None where it did not come to it."""
    scores = at_rung(attrs, step)
    qualities = [turned(name, scores.get(name, math.nan)) for name in ranked_by(objectives)]
    costs = [float(attrs.get(name, math.nan)) for name in objectives if name in KNOWN]
    if any(math.isnan(value) for value in qualities) or not all(value > 0 for value in costs):
        return None
    return RungScore(tuple(qualities), tuple(costs))


def identity(attrs: Mapping[str, Any]) -> tuple[object, object]:
    """What two trials share that are one training: architecture, recipe and seed."""
    recipe = attrs.get("recipe")
    return attrs.get("spec_hash"), (repr(recipe), attrs.get("seed"))


def is_protected(attrs: Mapping[str, Any]) -> bool:
    """Whether a trial is never stopped: a baseline, or of the control arm."""
    return attrs.get("baseline") is not None or bool(attrs.get("is_control"))


def is_past(attrs: Mapping[str, Any], step: int) -> bool:
    """Whether a trial was let past a rung before it was taken up again."""
    return step <= int(attrs.get(RESUMES_AT, 0))
