"""Which trial a process runs next, so that all processes together run as many as are wanted."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.execution.untried import count_trainings, enqueue_untried
from msdemucs.study.samplers.rungs import taken_up
from msdemucs.study.samplers.study_sampler import rung_judge
from msdemucs.study.search_space.sampling import EXHAUSTIVE
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.databases import Database, StudyStorage
from msdemucs.study.storage.leases import StaleTrialWatch, claim, owner_text, recover
from msdemucs.study.storage.scores import FLOORS, RUNG_SCORES, SCORES
from msdemucs.study.storage.states import is_stopped

PAUSE_S = 2.0
"""How often a process that waits for the trials of others asks whether anything has changed."""

LOOK_AFTER = 5
"""After so many pauses it looks in any case: whether those that run the trials are still alive."""

UNREAD = ("spec", "differences", "versions", "git", "log", SCORES, FLOORS, RUNG_SCORES, "curve")
"""What those who run trials do not read of the study's: a process would keep it of every trial."""


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for: complete, or stopped at a rung.

    Failed trials do not count, nor those that were refused before training. A stopped one counts,
    since it was trained; when it is taken up again, what becomes of it then counts in its place.
    """
    return trial.state == TrialState.COMPLETE or is_stopped(trial)


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is.

    Attributes:
        done: trials that count.
        running: trials under way, each with a word about who runs it.
        wanted: how many the study should have.
        is_used_up: whether nothing is left to begin: no arm, no combination of a grid.
    """

    done: int
    running: tuple[str, ...]
    wanted: int
    is_used_up: bool = False

    @property
    def is_done(self) -> bool:
        """Whether the study has all that it wants, or that it can have."""
        return self.done >= self.wanted or (self.is_used_up and not self.running)

    @property
    def has_room(self) -> bool:
        """Whether one more trial is wanted, should all that run succeed."""
        return self.done + len(self.running) < self.wanted and not self.is_used_up


class Scheduler:
    """Hands out a study's trials, one process at a time.

    Args:
        study: whose.
        storage: where it is.
        search: what the study asks.
        wanted: how many trials the study should have in all.
        say: is told of trials that were killed, and of those that are waited for.
        token: by which whoever started this process finds its trial.

    Attributes:
        judge: who decides which stopped trials go on; None where the study has no rungs.
        last: how far the study was at the last look.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: StudyStorage,
        *,
        search: Search,
        wanted: Callable[[], int],
        say: Callable[[str], None],
        token: str = "",
    ) -> None:
        self.study, self.storage, self.space = study, storage, search.space
        if isinstance(storage, Database):
            storage.leaves_out = UNREAD
        self.wanted, self.say, self.token = wanted, say, token
        self.judge = rung_judge(search, study)
        self.watch = StaleTrialWatch()
        self.last = StudyProgress(0, (), 0)
        self._is_listed = search.space.can_be_listed
        self._waits_for: tuple[str, ...] = ()
        self._seen: object = None

    def progress(self) -> StudyProgress:
        """Return how far the study is now, whoever ran its trials."""
        self.last = self._progress(self.study.get_trials(deepcopy=False))
        return self.last

    def _progress(self, trials: list[FrozenTrial]) -> StudyProgress:
        running = tuple(
            f"trial {trial.number}, {owner_text(trial)}"
            for trial in trials
            if trial.state == TrialState.RUNNING
        )
        taken = taken_up(trials)
        counted = [trial for trial in trials if counts(trial) and trial.number not in taken]
        done = count_trainings(counted) if self._is_listed else len(counted)
        return StudyProgress(done, running, self.wanted(), self.space.is_used_up(trials))

    def next(self) -> optuna.Trial | None:
        """A trial that is this process's own; None where none is wanted at present."""
        with self.storage.study_lock(self.study.study_name):
            # Others wait: a look at a study reads what its running trials wrote, so only one.
            self._seen = self.storage.change_marker(self.study._study_id)
            trials = self.study.get_trials(deepcopy=False)
            lines = recover(self.study, self.watch, trials)
            if lines:
                trials = self.study.get_trials(deepcopy=False)
            resumed = self.judge.take_up(self.study) if self.judge else ()
            progress = self.progress() if resumed else self._progress(trials)
            if progress.has_room and not resumed:
                self._make_up(trials)
            trial = self.study.ask() if progress.has_room else None
            if trial is not None:
                claim(trial, token=self.token)
        self.last = progress
        for line in (*lines, *(f"trial {number} goes on after all" for number in resumed)):
            self.say(line)
        if trial is None and not progress.is_done:
            self._say_waiting(progress)
        return trial

    def _make_up(self, trials: list[FrozenTrial]) -> None:
        """Enqueue an untried combination where one repeated another; exhaustive samplers do not."""
        if self._is_listed and self.space.sampler.kind not in EXHAUSTIVE:
            enqueue_untried(self.study, trials, space=self.space)

    def wait(self) -> None:
        """A pause before the next look; processes that wait together look apart."""
        for _ in range(LOOK_AFTER):
            time.sleep(PAUSE_S * random.uniform(0.75, 1.25))  # noqa: S311 (nothing to keep secret)
            if self.storage.change_marker(self.study._study_id) != self._seen:
                return

    def _say_waiting(self, progress: StudyProgress) -> None:
        if progress.running != self._waits_for:
            self._waits_for = progress.running
            named = "; ".join(progress.running)
            self.say(f"{progress.done} of {progress.wanted} done; waiting for {named}")
