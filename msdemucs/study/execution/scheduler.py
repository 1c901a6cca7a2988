"""Which trial a process runs next, so that all processes together run as many as are wanted."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from msdemucs.study.execution.untried import count_trainings
from msdemucs.study.samplers.rungs import taken_up
from msdemucs.study.storage.databases import AnyStorage, Database
from msdemucs.study.storage.leases import Watch, claim, recover, whereabouts
from msdemucs.study.storage.states import is_stopped

PAUSE_S = 2.0
"""How often a process that waits for the trials of others asks whether anything has changed."""

LOOK_AFTER = 5
"""After so many pauses it looks in any case: whether those that run the trials are still alive."""

UNREAD = ("spec", "differences", "versions", "git", "log", "started", "scores", "curve")
"""What those who run trials do not read of the study's: nothing that they do asks for it."""


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those asked for: complete, or stopped at a rung.

    Failed trials do not count, nor those that were refused before training. A stopped one counts,
    since it was trained; when it is taken up again, what becomes of it then counts in its place.
    """
    return trial.state == TrialState.COMPLETE or is_stopped(trial)


@dataclass(frozen=True)
class Standing:
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


class Turns:
    """Hands out a study's trials, one process at a time.

    Args:
        study: whose.
        storage: where it is.
        wanted: how many trials the study should have in all.
        say: is told of trials that were killed, and of those that are waited for.
        token: by which whoever started this process finds its trial.

    Attributes:
        is_used_up: tells of all trials whether nothing is left to begin.
        take_up: enqueues the stopped trials that should go on by now; their numbers.
        make_up: enqueues an untried combination, of all trials, where one repeated another.
        counts_copies: whether a trial counts that took the result of another one of the study.
        last: how far the study was at the last look.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: AnyStorage,
        *,
        wanted: Callable[[], int],
        say: Callable[[str], None],
        token: str = "",
    ) -> None:
        self.study, self.storage = study, storage
        if isinstance(storage, Database):
            storage.leaves_out = UNREAD
        self.wanted, self.say, self.token = wanted, say, token
        self.is_used_up: Callable[[list[FrozenTrial]], bool] = lambda _: False
        self.take_up: Callable[[], Sequence[int]] = list
        self.make_up: Callable[[list[FrozenTrial]], bool] = lambda _: False
        self.counts_copies = True
        self.watch = Watch()
        self.last = Standing(0, (), 0)
        self._waits_for: tuple[str, ...] = ()
        self._seen: object = None

    def standing(self) -> Standing:
        """How far the study is now, whoever ran its trials."""
        self.last = self._standing(self.study.get_trials(deepcopy=False))
        return self.last

    def _standing(self, trials: list[FrozenTrial]) -> Standing:
        running = tuple(
            f"trial {trial.number}, {whereabouts(trial)}"
            for trial in trials
            if trial.state == TrialState.RUNNING
        )
        taken, is_used_up = taken_up(trials), self.is_used_up(trials)
        counted = [trial for trial in trials if counts(trial) and trial.number not in taken]
        done = len(counted) if self.counts_copies else count_trainings(counted)
        return Standing(done, running, self.wanted(), is_used_up)

    def next(self) -> optuna.Trial | None:
        """A trial that is this process's own; None where none is wanted at present."""
        with self.storage.turn(self.study.study_name):
            # Others wait: a look at a study reads what its running trials wrote, so only one.
            self._seen = self.storage.glance(self.study._study_id)
            trials = self.study.get_trials(deepcopy=False)
            lines = recover(self.study, self.watch, trials)
            if lines:
                trials = self.study.get_trials(deepcopy=False)
            with self.storage.same_look():
                again = [f"trial {number} goes on after all" for number in self.take_up()]
                standing = self._standing(trials) if not again else self.standing()
                if standing.has_room and not again:
                    self.make_up(trials)
                trial = self.study.ask() if standing.has_room else None
            if trial is not None:
                claim(trial, token=self.token)
        self.last = standing
        for line in (*lines, *again):
            self.say(line)
        if trial is None and not standing.is_done:
            self._say_waiting(standing)
        return trial

    def wait(self) -> None:
        """A pause before the next look; processes that wait together look apart."""
        for _ in range(LOOK_AFTER):
            time.sleep(PAUSE_S * random.uniform(0.75, 1.25))  # noqa: S311 (nothing to keep secret)
            if self.storage.glance(self.study._study_id) != self._seen:
                return

    def _say_waiting(self, standing: Standing) -> None:
        if standing.running != self._waits_for:
            self._waits_for = standing.running
            named = "; ".join(standing.running)
            self.say(f"{standing.done} of {standing.wanted} done; waiting for {named}")
