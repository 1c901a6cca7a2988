"""What an Optuna trial's state means: a pruned one was refused, stopped at a rung, or diverged."""

from optuna.trial import FrozenTrial, TrialState

BEGUN = "asked"
"""The attribute of every study that msdemucs began: what it was asked."""

STOPPED_AT = "stopped_at"
"""The attribute that has the step of the rung at which a trial was stopped."""


DIVERGED_AT = "diverged_at"
"""The attribute that has the step at which a training diverged. Optuna has the trial as pruned, for
samplers to learn of; it would hide from them one that failed."""


def has_diverged(trial: FrozenTrial) -> bool:
    """Whether a training diverged, which the same spec, recipe and seed will do again."""
    return trial.state == TrialState.PRUNED and DIVERGED_AT in trial.user_attrs


def has_failed(trial: FrozenTrial) -> bool:
    """Whether a trial failed, by its spec or by something else."""
    return trial.state == TrialState.FAIL or has_diverged(trial)


def is_stopped(trial: FrozenTrial) -> bool:
    """Whether a trial was stopped at a rung, and not refused before training."""
    return trial.state == TrialState.PRUNED and STOPPED_AT in trial.user_attrs
