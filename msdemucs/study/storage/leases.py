"""Who is running a trial, and what becomes of trials whose process is gone.

Every running trial has an owner, and a lease that its owner renews each minute, in all storages
alike. On the owner's host its process is looked up; from elsewhere a trial is given up when its
lease has not changed for three minutes of the watcher's own clock: hosts need not agree on time.

Optuna's heartbeats (`heartbeat_interval`, RetryHeartbeatStaleTrialCallback) do not do the same.
Tried with Optuna 5.0: journal files have none; a process killed on this very host is noticed after
the grace period and not at once; one that was killed between its trial's beginning and the first
beat never is; a kill between failing a trial and enqueueing it loses it; an owner whose trial was
ended by another beats on, and is not told; the trial that repeats it begins with its scores.
"""

import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.storage.databases import below_cache, together
from msdemucs.study.storage.locks import Waiting

RENEWED_EVERY_S = 60.0
GIVEN_UP_AFTER_S = 180.0
"""How long a watcher sees a lease unchanged before it takes the trial for dead."""

DEAD_AFTER_S = 3600.0
"""A lease that is so old by the clock is not watched first."""

MOST_KILLS = 3
"""A configuration whose process was killed so often is not tried again: it may be the reason."""

KILLED, INTERRUPTED = "killed", "interrupted"
"""Why a trial failed that was cut short."""

REPEATS = "repeats"
"""On a trial that repeats one that was cut short: its number."""

FOLDER = "folder"
"""The attribute that names a trial's folder; a trial that repeats another takes its folder over,
and so its checkpoints."""

CARRIED = ("baseline", "arm", "arm_name", "is_control", "seed", FOLDER)
"""What a trial hands on to the one that repeats it, with all else that it was enqueued with."""


class TrialLostError(Exception):
    """Another process took this one for dead and ended its trial."""


def claim(trial: optuna.Trial, *, token: str = "") -> None:
    """Write down that this process runs the trial, from now on; call it in the study's lock.

    With it goes since when it runs, where its files lie, and that its owner lives.

    Args:
        trial: just begun.
        token: by which whoever started this process finds the trial, should the process die.
    """
    attrs = trial.user_attrs  # that it was enqueued with
    owner = {
        "host": platform.node(),
        "pid": os.getpid(),
        "since": psutil.Process().create_time(),
        "pids": _pid_space(),
    }
    with together(trial.storage):
        trial.set_user_attr("owner", {**owner, "token": token, "given": sorted(attrs)})
        trial.set_user_attr("lease", _now())
        trial.set_user_attr(FOLDER, str(attrs.get(FOLDER, trial.number)))
        trial.set_user_attr("started", _now())


class Lease:
    """Renews a trial's lease while it runs.

    Attributes:
        is_lost: whether another process has ended the trial.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        self._over = threading.Event()
        self.is_lost = False

    def check(self) -> None:
        """Raise TrialLostError once another process has ended the trial.

        Raises:
            TrialLostError: it is not.
        """
        if self.is_lost:
            raise TrialLostError

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """A block during which a thread renews the lease."""
        thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join(timeout=5)

    def _renew(self) -> None:
        while not self._over.wait(RENEWED_EVERY_S):
            try:
                self._trial.set_user_attr("lease", _now())
            except UpdateFinishedTrialError:
                self.is_lost = True
                return
            except Exception:  # noqa: BLE001, S112 (the trial's own writes will tell what is wrong)
                continue


class StaleTrialWatch:
    """Sees which running trials have nobody at work on them.

    Call `is_stale` only while holding the study's lock: nobody is then between beginning a trial
    and claiming it. While the database is away no owner can renew its lease: that time is not held
    against it.

    Args:
        storage: where the trials are.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._waiting = getattr(below_cache(storage), "waiting", Waiting())
        self._seen: dict[int, tuple[object, float]] = {}

    def is_stale(self, trial: FrozenTrial) -> bool:
        """Whether nobody can still be working on a running trial."""
        owner = trial.user_attrs.get("owner")
        if owner is None:
            return True
        if owner["host"] == platform.node() and owner.get("pids", "") == _pid_space():
            return not _is_alive(owner)
        lease = trial.user_attrs.get("lease")
        now = time.monotonic()
        before, since = self._seen.get(trial._trial_id, (None, now))
        if before != lease:
            since = now
        self._seen[trial._trial_id] = (lease, since)  # numbers are not unique in a storage
        if now - max(since, self._waiting.answered_at) > GIVEN_UP_AFTER_S:
            return True
        with suppress(TypeError, ValueError):  # a lease that does not say its time
            age = datetime.now(UTC) - datetime.fromisoformat(str(lease))
            return age.total_seconds() > DEAD_AFTER_S
        return False


def recover(
    study: optuna.Study, watch: StaleTrialWatch, trials: Sequence[FrozenTrial]
) -> list[str]:
    """Fail and enqueue again those trials whose process is gone, and say so in a line each.

    Call it while holding the study's lock.
    """
    lines = retry_lost(study, trials)
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    dead = [trial for trial in running if watch.is_stale(trial)]
    return [*lines, *(line for trial in dead for line in fail_stale(study, trial))]


def fail_stale(study: optuna.Study, trial: FrozenTrial) -> list[str]:
    """Fail a killed trial and enqueue it again; [] where it has ended meanwhile.

    Call it while holding the study's lock.
    """
    if not fail(study, trial._trial_id, KILLED):
        return []
    if retry(study, trial.number):
        return [f"trial {trial.number} was killed; its configuration is enqueued again"]
    return [f"trial {trial.number} was killed, and is not tried again"]


def fail(study: optuna.Study, trial_id: int, reason: str) -> bool:
    """End a trial as failed; False where it has ended: by itself, or by another process."""
    try:
        optuna.Trial(study, trial_id).set_user_attr("failure", reason)
        study._storage.set_trial_state_values(trial_id, TrialState.FAIL)
    except UpdateFinishedTrialError:
        return False
    return True


def retry(study: optuna.Study, number: int) -> bool:
    """Enqueue a trial that was cut short, and has failed: its parameters, seed and folder.

    Fail it first, or a trial that ends at the same moment is trained and counted twice; a kill
    between the two loses nothing, since `retry_lost` makes up for it.

    Returns:
        Whether it will be tried again: not after MOST_KILLS kills, nor where it had not begun.
    """
    trials = study.get_trials(deepcopy=False)
    again = _again(trials[number])
    if again is None:
        return False
    if number not in _repeated(trials):
        params, attrs = again
        study.enqueue_trial(params, user_attrs=attrs)
    return True


def retry_lost(study: optuna.Study, trials: Sequence[FrozenTrial]) -> list[str]:
    """Enqueue what was cut short, and failed by a process that was killed before it did; lines."""
    repeated = _repeated(trials)
    lost = [
        trial.number
        for trial in trials
        if trial.state == TrialState.FAIL and trial.number not in repeated and _again(trial)
    ]
    for number in lost:
        retry(study, number)
    return [f"trial {number} was cut short; its configuration is enqueued again" for number in lost]


def _repeated(trials: Sequence[FrozenTrial]) -> set[object]:
    """The numbers of the trials that others repeat."""
    return {trial.user_attrs.get(REPEATS) for trial in trials}


def _again(trial: FrozenTrial) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The parameters and attributes of the trial that repeats one which was cut short.

    None where none should: it failed by itself, was killed too often, or nothing was drawn for it.
    """
    reason = trial.user_attrs.get("failure")
    kills = int(trial.user_attrs.get("kills", 0)) + (reason == KILLED)
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    carried = {*CARRIED, *trial.user_attrs.get("owner", {}).get("given", ())}
    attrs = {
        key: trial.user_attrs[key]
        for key in sorted(carried - {"kills", REPEATS})
        if key in trial.user_attrs
    }
    if reason not in (KILLED, INTERRUPTED) or kills >= MOST_KILLS or not (params or attrs):
        return None
    attrs.setdefault(FOLDER, str(trial.number))  # also of one that was killed before it was claimed
    return params, {**attrs, "kills": kills, REPEATS: trial.number}


def owner_text(trial: FrozenTrial) -> str:
    """Who runs a trial, for people."""
    owner = trial.user_attrs.get("owner", {})
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def _pid_space() -> str:
    """What tells the process numbers of one container from another's; "" where nothing does."""
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def _is_alive(owner: Mapping[str, Any]) -> bool:
    """Whether the owner's process, of this host, is there and at work on a trial.

    This process itself is not: it asks between its trials. Nor is a zombie: it ended, and whoever
    began it has not asked how.
    """
    if owner["pid"] == os.getpid():
        return False
    try:
        process = psutil.Process(int(owner["pid"]))
        with process.oneshot():
            since, state = process.create_time(), process.status()
    except psutil.NoSuchProcess:
        return False
    return state != psutil.STATUS_ZOMBIE and abs(since - float(owner["since"])) < 2
