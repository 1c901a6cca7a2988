"""Which trial a process runs next, so that all processes together run as many as are wanted.

Samplers repeat themselves: soon, where combinations are so few that they can be listed. A copy of a
result is no trial of its own, so that a study which waited for its sampler to find the last ones
might record hundreds of copies. Each repetition is made up for by a combination that nobody has
tried; a study therefore records at most twice as many trials as there are combinations, and comes
to an end.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.samplers.rungs import RESUMES, taken_up
from msdemucs.study.samplers.study_sampler import rung_judge
from msdemucs.study.search_space.sampling import EXHAUSTIVE
from msdemucs.study.search_space.space import Search
from msdemucs.study.search_space.variations import as_key, untried
from msdemucs.study.storage.databases import Database, StudyStorage
from msdemucs.study.storage.leases import (
    INTERRUPTED,
    KILLED,
    StaleTrialWatch,
    claim,
    owner_text,
    recover,
)
from msdemucs.study.storage.results import FLOORS, RUNG_SCORES, SCORES, is_stopped
from msdemucs.study.trial.result_cache import RESULT_KEY

PAUSE_S = 2.0
"""How often a process that waits for the trials of others asks whether anything has changed."""

LOOK_AFTER = 5
"""After so many pauses it looks in any case: whether those that run the trials are still alive."""

UNREAD = ("spec", "differences", "versions", "git", "log", SCORES, FLOORS, RUNG_SCORES, "curve")
"""What those who run trials do not read of the study's: a process would keep it of every trial."""

INSTEAD_OF = "instead_of"
"""On a trial that makes up for one which repeated another: the number of that one."""


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
        self.watch = StaleTrialWatch(storage)
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
        # where combinations are listed, copies of a training count once
        done = len({_training(trial) for trial in counted}) if self._is_listed else len(counted)
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
        is_waiting = trial is None and not progress.is_done
        if is_waiting and progress.running != self._waits_for:
            self._waits_for = progress.running
            named = "; ".join(progress.running)
            self.say(f"{progress.done} of {progress.wanted} done; waiting for {named}")
        return trial

    def _make_up(self, trials: list[FrozenTrial]) -> None:
        """Enqueue a combination that nobody has tried for the first repetition without one yet.

        Exhaustive samplers do not repeat themselves. Which one it is depends on the sampler's seed.
        """
        is_waiting = any(trial.state == TrialState.WAITING for trial in trials)
        if not self._is_listed or self.space.sampler.kind in EXHAUSTIVE or is_waiting:
            return
        made_up = {trial.user_attrs.get(INSTEAD_OF) for trial in trials}
        number = next((each for each in repetitions(trials) if each not in made_up), None)
        if number is None:
            return
        new = [*untried(self.space.vary, trials)]
        if new:
            chance = random.Random(f"untried {self.space.sampler.seed} {number}")  # noqa: S311 (no secret)
            self.study.enqueue_trial(dict(chance.choice(new)), user_attrs={INSTEAD_OF: number})

    def wait(self) -> None:
        """A pause before the next look; processes that wait together look apart."""
        for _ in range(LOOK_AFTER):
            time.sleep(PAUSE_S * random.uniform(0.75, 1.25))  # noqa: S311 (nothing to keep secret)
            if self.storage.change_marker(self.study._study_id) != self._seen:
                return


def repetitions(trials: Sequence[FrozenTrial]) -> list[int]:
    """Return the numbers of the trials that were drawn and tried what another one had.

    The first of those that are alike is none; nor are baselines, trials that go on with another's
    training, and trials that were cut short, which others repeat.
    """
    seen: set[object] = set()
    numbers = []
    for trial in trials:
        is_cut_short = trial.user_attrs.get("failure") in (KILLED, INTERRUPTED)
        if not trial.state.is_finished() or is_cut_short:
            continue
        marks = {as_key(trial.params), _training(trial)}
        is_drawn = not {"baseline", RESUMES} & set(trial.user_attrs)
        if is_drawn and marks & seen:
            numbers.append(trial.number)
        seen |= marks
    return numbers


def _training(trial: FrozenTrial) -> object:
    """What two trials share that are one training; its number where none is on record."""
    return trial.user_attrs.get(RESULT_KEY, trial.number)
