"""What an Optuna trial's state means here: a pruned one was refused, or stopped at a rung."""

from optuna.trial import FrozenTrial, TrialState

BEGUN = "asked"
"""The attribute of every study that msdemucs began: what it was asked."""

STOPPED_AT = "stopped_at"
"""The attribute that has the step of the rung at which a trial was stopped."""


def is_stopped(trial: FrozenTrial) -> bool:
    """Whether a trial was stopped at a rung, and not refused before training."""
    return trial.state == TrialState.PRUNED and STOPPED_AT in trial.user_attrs
