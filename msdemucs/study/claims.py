"""Who is running a trial, and what becomes of trials whose process is gone."""

import os
import platform
from datetime import UTC, datetime, timedelta

import optuna
import psutil
from optuna.trial import FrozenTrial, TrialState

UNCLAIMED_FOR = timedelta(minutes=1)
"""A trial that began so long ago and that no process claimed was killed before it could."""

MOST_KILLS = 3
"""A configuration whose process was killed so often is not tried again: it may be the reason."""

CARRIED = ("baseline", "seed", "arm", "arm_name")
"""What a trial hands on to the one that repeats it."""


def claim(trial: optuna.Trial) -> None:
    """Write down that this process runs the trial."""
    owner = {
        "host": platform.node(),
        "pid": os.getpid(),
        "since": psutil.Process().create_time(),
    }
    trial.set_user_attr("owner", owner)
    trial.set_user_attr("started", datetime.now(UTC).astimezone().isoformat(timespec="seconds"))


def enqueue_again(study: optuna.Study, trial: FrozenTrial, reason: str) -> None:
    """Enqueue the configuration of a trial that was cut short.

    A configuration that was killed MOST_KILLS times is left alone.
    """
    kills = int(trial.user_attrs.get("kills", 0)) + (reason == "killed")
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    attrs = {key: trial.user_attrs[key] for key in CARRIED if key in trial.user_attrs}
    if kills >= MOST_KILLS or not (params or attrs):
        return
    attrs |= {"kills": kills, "repeats": trial.number}
    study.enqueue_trial(params, user_attrs=attrs)


def recover(study: optuna.Study) -> list[str]:
    """Fail and enqueue again the trials of processes of this host that are gone.

    Returns:
        A line for people about each trial that is recorded as running.
    """
    lines = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        owner = trial.user_attrs.get("owner")
        if _is_dead(trial, owner):
            _fail(study, trial)
            enqueue_again(study, trial, "killed")
            lines.append(f"trial {trial.number} was killed; its configuration is enqueued again")
        elif owner is not None:
            where = f"process {owner['pid']} on {owner['host']}"
            lines.append(f"trial {trial.number} is recorded as running: {where}; left alone")
    return lines


def _fail(study: optuna.Study, trial: FrozenTrial) -> None:
    running = optuna.Trial(study, trial._trial_id)
    running.set_user_attr("failure", "killed")
    study.tell(trial.number, state=TrialState.FAIL)


def _is_dead(trial: FrozenTrial, owner: dict[str, object] | None) -> bool:
    """Whether nobody can still be working on a running trial."""
    if owner is None:
        begun = trial.datetime_start
        # Optuna keeps local time without a zone.
        return begun is None or datetime.now() - begun > UNCLAIMED_FOR  # noqa: DTZ005
    if owner["host"] != platform.node():
        return False
    if owner["pid"] == os.getpid():
        return True  # this process is only just beginning to work on the study
    try:
        since = psutil.Process(int(str(owner["pid"]))).create_time()
    except psutil.NoSuchProcess:
        return True
    return abs(since - float(str(owner["since"]))) > 1
