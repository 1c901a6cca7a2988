"""Each architecture is trained once: results are found again by what was trained, and how.

The key is a hash of the architecture (however it is spelled), the recipe, the data and the seeds.
It is looked for in all studies of a storage; a trial that finds its key takes the recorded result,
and waits for it where another one trains just that.
"""

import hashlib
import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState
from pydantic import JsonValue

from msdemucs.columns import COLUMNS
from msdemucs.errors import DivergedError
from msdemucs.metrics import USUAL
from msdemucs.spec import spec_hash
from msdemucs.study.records import MEASURED, SPENT, asked_quality, is_quality, qualities_of
from msdemucs.study.samplers.rungs import taken_up
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.databases import below_cache, named_lock, whole
from msdemucs.study.storage.leases import StaleTrialWatch
from msdemucs.study.storage.results import (
    DIVERGED_AT,
    FLOORS,
    RUNG,
    RUNG_SCORES,
    RUNGS,
    SCORES,
    STOPPED_AT,
    has_diverged,
    is_stopped,
)
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import StoppedError, TrialRecorder

RESULT_KEY = "result_key"
"""The trial's attribute that holds the key."""

TAKEN = (
    *(name for name, column in COLUMNS.items() if column.is_copied),
    *(SCORES, FLOORS, RUNGS, RUNG_SCORES, "curve"),
)
"""What a duplicate takes over, beside qualities and what is known of rungs."""

QUERY = sqlalchemy.text(
    "SELECT studies.study_name, trials.trial_id FROM trial_user_attributes "
    "JOIN trials ON trials.trial_id = trial_user_attributes.trial_id "
    "JOIN studies ON studies.study_id = trials.study_id "
    # the name is written out, or databases would not use the index of these rows alone
    "WHERE trial_user_attributes.key = 'result_key' "
    "AND trial_user_attributes.value_json = :value "
    "AND CAST(trials.state AS VARCHAR) = :state ORDER BY trials.trial_id"
)

PAUSE_S = 2.0
"""How often a trial that waits for its like looks whether that has ended."""


def result_key(
    candidate: Candidate,
    *,
    recipe: Mapping[str, object],
    data: str,
    seeds: Sequence[int],
    qualities: Sequence[str] = (),
) -> str:
    """Thirty-two hexadecimal digits for one training: equal for equal results.

    Args:
        candidate: its architecture counts, not its name.
        recipe: the full recipe; its name does not count.
        data: the hash of all tracks.
        seeds: of the trainings.
        qualities: that the result must have beside what every trial records.
    """
    settings = {name: value for name, value in recipe.items() if name != "name"}
    facts: list[object] = [spec_hash(candidate.spec), settings, data, list(seeds)]
    facts += [sorted(qualities)] if qualities else []
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


class ResultCache:
    """The results of a storage, by what was trained and how.

    Args:
        search: what a study asks.
        study: of whose trials results are taken over.
    """

    def __init__(self, search: Search, study: optuna.Study) -> None:
        self.search, self.study = search, study
        qualities = {
            name: asked_quality(name, sources=search.base.sources)
            for name in qualities_of(search.space.objectives)
        }
        self.further = [
            name
            for name, quality in qualities.items()
            if quality.source or quality.metric.name != USUAL
        ]
        """Objectives that are qualities other than those that every trial records."""
        self.is_off = bool(set(search.space.objectives) & set(SPENT))
        """Where what a training spends is an objective, every trial spends it itself."""

    def take_over(self, candidate: Candidate, log: TrialRecorder) -> bool:
        """Record the result of a training that was done before; return False where there is none.

        Waits while another trial trains just that.

        Raises:
            StoppedError: it is that of a trial that was stopped at a rung.
            DivergedError: it is that of a trial that diverged.
        """
        if self.is_off:
            return False
        data = self.study.user_attrs.get("data")
        key = result_key(
            candidate,
            recipe=candidate.recipe.model_dump(mode="json") if candidate.recipe else {},
            data=str(data.get("hash", data)) if isinstance(data, dict) else "",
            seeds=range(candidate.seed, candidate.seed + self.search.space.seeds_a_trial),
            qualities=self.further,
        )
        like = SameTraining(self.search, self.study, key)
        while like.trains_elsewhere(log):
            like.wait(log)
        return like.take(log)


class SameTraining:
    """The trials that train the same as a new one, in all studies of a storage.

    Of those that begin at the same moment one trains; the others wait for it, and take its result.
    Where it is killed or interrupted, or fails by something else than its spec, one of them trains.
    A trial that is stopped at a rung ends those of its study that wait for it. Another one could be
    drawn instead, but not in place of a baseline or an arm, and small search spaces would run out
    of others.

    Args:
        search: of the new trial's study.
        study: likewise.
        key: of the training.
    """

    def __init__(self, search: Search, study: optuna.Study, key: str) -> None:
        self.search, self.study, self.key = search, study, key
        self.watch = StaleTrialWatch(study._storage)
        self._waits_for: str | None = None
        self._result: tuple[str, FrozenTrial] | None = None

    def trains_elsewhere(self, log: TrialRecorder) -> bool:
        """Whether to wait; where not, either there is a result or the trial has the training."""
        with named_lock(log.trial.storage, f"training {self.key}"):
            # in this order: one that ends between the two looks is seen by the second
            running = self._usable(log, TrialState.RUNNING)
            self._result = (
                self._usable(log, TrialState.COMPLETE)
                or self._stopped(log)
                or self._usable(log, TrialState.PRUNED)
            )
            if self._result is not None:
                return False
            if running is None:
                log.note(RESULT_KEY, self.key)
                return False
        if self._waits_for != _name(*running):
            self._waits_for = _name(*running)
            log.progress.phase(f"waiting for {self._waits_for}, which trains the same", 1)
        return True

    def wait(self, log: TrialRecorder) -> None:
        """A pause."""
        time.sleep(PAUSE_S * random.uniform(0.75, 1.25))  # noqa: S311 (nothing to keep secret)
        log.progress.advanced(0, "")

    def take(self, log: TrialRecorder) -> bool:
        """Record the result that was found; False where there was none.

        Raises:
            StoppedError: it is that of a trial that was stopped at a rung.
            DivergedError: it is that of a trial that diverged.
        """
        if self._result is None:
            return False
        name, trial = self._result
        original = trial.user_attrs.get("duplicate_of") or _name(name, trial)
        if has_diverged(trial):
            log.note("duplicate_of", original)
            reason = f"the same training diverged as trial {original}, and is not done again"
            raise DivergedError(reason, step=int(trial.user_attrs[DIVERGED_AT]))
        with log.together():
            log.note(RESULT_KEY, self.key)
            _take(trial, log)
            log.note("duplicate_of", original)
        log.progress.said(
            f"trial {log.trial.number} takes the result of {original}, which trained the same"
        )
        if trial.state != TrialState.COMPLETE:
            step = int(trial.user_attrs[STOPPED_AT])
            log.note(STOPPED_AT, step)
            raise StoppedError(step, f"at step {step}, as trial {trial.number}, its like")
        return True

    def _usable(self, log: TrialRecorder, state: TrialState) -> tuple[str, FrozenTrial] | None:
        """(study, trial) of the first of the key in a state whose result can be taken."""
        for name, trial in find(log.trial.storage, self.key, state):
            is_gone = state == TrialState.RUNNING and (
                trial._trial_id == log.trial._trial_id or self.watch.is_stale(trial)
            )
            is_gone |= state == TrialState.PRUNED and not has_diverged(trial)
            if not is_gone and _is_usable(self.search, self.study, name):
                return name, trial
        return None

    def _stopped(self, log: TrialRecorder) -> tuple[str, FrozenTrial] | None:
        """(study, trial) of the one that was stopped in this study, and not taken up again."""
        goes_on_with_another = {"resumes", "repeats"} & set(log.trial.user_attrs)
        if not self.search.space.fidelity or goes_on_with_another:
            return None
        trials = self.study.get_trials(deepcopy=False)
        taken = taken_up(trials)
        for trial in trials:
            is_alike = trial.user_attrs.get(RESULT_KEY) == self.key and is_stopped(trial)
            if is_alike and "duplicate_of" not in trial.user_attrs and trial.number not in taken:
                return self.study.study_name, whole(log.trial.storage, trial._trial_id)
        return None


def find(
    storage: BaseStorage, key: str, state: TrialState = TrialState.COMPLETE
) -> Iterator[tuple[str, FrozenTrial]]:
    """(study, trial) of a key in a state, in all studies of a storage, the oldest first."""
    backend = below_cache(storage)
    if isinstance(backend, RDBStorage):
        with backend.engine.connect() as connection:
            values = {"value": json.dumps(key), "state": state.name}
            rows = connection.execute(QUERY, values).all()
        for name, trial_id in rows:
            yield str(name), whole(storage, int(trial_id))
        return
    for study in storage.get_all_studies():
        for trial in storage.get_all_trials(study._study_id, deepcopy=False, states=(state,)):
            if trial.user_attrs.get(RESULT_KEY) == key:
                yield study.study_name, trial


def _is_usable(search: Search, study: optuna.Study, name: str) -> bool:
    """Whether a study's results mean the same here: measured times only on an equal machine."""
    figures = {*search.space.objectives, *search.space.constraints}
    if name == study.study_name or not figures & {*MEASURED, "peak_memory_bytes"}:
        return True
    try:
        other = optuna.load_study(study_name=name, storage=study._storage)
    except KeyError:
        return False
    return bool(other.user_attrs.get("machine") == study.user_attrs.get("machine"))


def _name(study: str, trial: FrozenTrial) -> str:
    return f"{study}/{trial.number}"


def _take(trial: FrozenTrial, log: TrialRecorder) -> None:
    """Record another trial's result as this one's."""
    attrs: dict[str, JsonValue] = {
        name: value
        for name, value in trial.user_attrs.items()
        if name in TAKEN or is_quality(name) or name.startswith(RUNG)
    }
    numbers = {name: value for name, value in attrs.items() if isinstance(value, int | float)}
    with log.together():
        for name, value in attrs.items():
            if name not in numbers:
                log.note(name, value)
        log.record({"steps": 0, **numbers})
