"""The loop of a study: propose, refuse or evaluate, record, go on; resumable at any point."""

import errno
import math
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from msdemucs.errors import DivergedError, Problem, SpecError, StudyError
from msdemucs.study.execution.beginning import attend, begin_study, explained, turns_of
from msdemucs.study.execution.joining import enrol, recorded_folder
from msdemucs.study.execution.scheduler import Turns
from msdemucs.study.samplers.study_sampler import rung_judge
from msdemucs.study.search_space.objectives import InfeasibleError
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.artifact_store import is_url
from msdemucs.study.storage.leases import (
    FOLDER,
    INTERRUPTED,
    Lease,
    TrialLostError,
    enqueue_again,
    fail,
)
from msdemucs.study.storage.states import DIVERGED_AT
from msdemucs.study.storage.urls import STUDIES, storage_url, study_folder, without_password
from msdemucs.study.trial.candidate import (
    Candidate,
    Evaluate,
    Listener,
    Silent,
    StoppedError,
    TrialLog,
)
from msdemucs.study.trial.failures import Patience, is_bug, is_disk_full
from msdemucs.study.trial.failures import reason_of as why
from msdemucs.study.trial.log_file import LOG, Diary
from msdemucs.study.trial.proposal import feasible
from msdemucs.study.trial.result_cache import reusing
from msdemucs.study.trial.workspace import Place, place_of
from msdemucs.train.interrupts import Interrupts

ENDED_BY_ANOTHER = (TrialLostError, UpdateFinishedTrialError)
"""Another process took this one for dead and ended its trial."""

NOT_THE_TRIALS = (StorageInternalError, SQLAlchemyError, *ENDED_BY_ANOTHER)
"""What a trial cannot cause."""


@dataclass(frozen=True)
class Finished:
    """A study that has the trials it wants.

    Attributes:
        ran: how many trials this call ran, whatever became of them.
        complete: trials in the study that count: complete, or stopped at a rung.
        front: numbers of the trials that no other dominates.
        url: the database, without password.
        is_used_up: whether it has fewer trials than were asked for, nothing else being left to try.
    """

    name: str
    ran: int
    complete: int
    front: tuple[int, ...]
    url: str
    is_used_up: bool = False

    @classmethod
    def of(cls, turns: Turns, ran: int, url: str) -> "Finished":
        """Return what has become of a study, of whose trials this call ran some."""
        study, standing = turns.study, turns.standing()
        front = tuple(trial.number for trial in study.best_trials)
        is_short = standing.is_used_up and standing.done < standing.wanted
        shown = without_password(url)
        return cls(study.study_name, ran, standing.done, front, shown, is_used_up=is_short)


@dataclass(frozen=True)
class Outcome:
    """What became of a trial: its objectives, or why it has none."""

    values: tuple[float, ...] = ()
    failure: str = ""
    is_stopped: bool = False
    has_diverged: bool = False


def run_study(  # noqa: PLR0913 (one a thing that a caller may decide)
    search: Search,
    evaluate: Evaluate,
    *,
    storage: str | None = None,
    directory: Path = STUDIES,
    listener: Listener | None = None,
    attrs: Mapping[str, object] | None = None,
    extends: bool = False,
    folder: str | Path | None = None,
) -> Finished:
    """Run or continue a study until it has the trials that it wants, whoever else works on it.

    Args:
        search: what to vary, and how many trials.
        evaluate: trains and judges one candidate.
        storage: URL of a storage, or a file's path; an SQLite file in `directory` when not given.
        directory: where SQLite files and the trials' folders lie.
        listener: is told what happens.
        attrs: what to record about a new study: recipe, data, machine, command.
        extends: whether what only adds to what the study asks is taken in.
        folder: for the trials' folders, a path or a URL; in `directory` when not given.

    Raises:
        UsageError: no storage's URL, or the study of that name asks something else.
        StudyError: the storage cannot be used, a disk is full, or trials fail again and again.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the study is left so that the same call continues.
    """
    name, told = search.space.name, listener or Silent()
    url = storage_url(name, storage, directory)
    with Interrupts() as interrupts, explained(url), ExitStack() as at_end:
        with interrupts.held():
            usual = study_folder(name, directory) / "trials"
            study, opened = begin_study(
                search, url, folder or usual, attrs or {}, extends=extends, is_usual=folder is None
            )
            at_end.callback(opened.close)
            attend(opened, told, interrupts)
            with opened.turn(name):
                enrol(study, search)

        def wanted() -> int:
            return search.space.trials

        turns = turns_of(search, study, opened, wanted=wanted, say=told.said)
        kept = recorded_folder(study)
        where = kept if is_url(kept) else folder or usual
        place = at_end.enter_context(place_of(where, study, say=told.said))
        runner = Runner(turns, search=search, evaluate=evaluate, listener=told, place=place)
        return Finished.of(turns, runner.run(interrupts), url)


class Runner:
    """One process's part in a study."""

    def __init__(
        self, turns: Turns, *, search: Search, evaluate: Evaluate, listener: Listener, place: Place
    ) -> None:
        self.turns = turns
        self.study = turns.study
        self.search = search
        self.evaluate = reusing(place.kept(evaluate), search, turns.study)
        self.listener = listener
        self.place = place
        self.patience = Patience()

    def run(self, interrupts: Interrupts, *, most: int | None = None, waits: bool = True) -> int:
        """Run trials until there are enough, or `most`, and say how many.

        Where other processes run the last ones it waits for them, unless it is told not to.

        Raises:
            KeyboardInterrupt: Ctrl-C or SIGTERM; the trial at hand is enqueued again.
        """
        ran = 0
        while most is None or ran < most:
            self.patience.check()
            trial = None
            try:
                with interrupts.held():
                    trial = self.turns.next()
                if trial is not None:
                    ran += self.run_trial(trial, interrupts)
                    continue
            except KeyboardInterrupt:
                with interrupts.held():
                    self.give_back(trial)
                raise
            if self.turns.last.is_done or not waits:
                return ran
            self.turns.wait()
        return ran

    def give_back(self, trial: optuna.Trial | None) -> None:
        """Fail an interrupted trial, if it has not ended, and enqueue it again."""
        if trial is not None:
            with self.turns.storage.turn(self.study.study_name):
                if fail(self.study, trial._trial_id, INTERRUPTED):
                    enqueue_again(self.study, trial.number)

    def run_trial(self, trial: optuna.Trial, interrupts: Interrupts) -> bool:
        """One trial from proposal to record; False where its spec was refused.

        Raises:
            KeyboardInterrupt: the trial was interrupted, and is enqueued again.
            OSError: no space is left on the disk; the trial is enqueued again if that works.
        """
        lease = Lease(trial)
        diary = Diary(self.listener, self.folder_of(trial) / LOG, lease.check)
        try:
            with lease.renewed(), diary.open():
                return self.attempt(trial, self.log_of(trial, diary), interrupts)
        except ENDED_BY_ANOTHER:
            self.listener.said(
                f"trial {trial.number} was taken for dead and ended by another process"
            )
            return True
        finally:
            self.place.leave(self.folder_of(trial))

    def log_of(self, trial: optuna.Trial, diary: Diary) -> TrialLog:
        """The trial's log, which stops it at a rung where the study has them."""
        judge = rung_judge(self.search, self.study)
        objection = partial(judge.objection, self.study, trial) if judge else None
        return TrialLog(trial, diary, objection)

    def attempt(self, trial: optuna.Trial, log: TrialLog, interrupts: Interrupts) -> bool:
        """As `run_trial`; raises what ends the trial or the study from outside, too."""
        begun = time.monotonic()
        stop: BaseException | None = None
        try:
            candidate = self.candidate(trial, log)
            if candidate is None:
                return False
            self.place.enter(candidate.folder)
            standing = self.turns.last
            log.began(candidate, complete=standing.done, wanted=standing.wanted)
            self.evaluate(candidate, log)
            log.record({"seconds": time.monotonic() - begun})
            outcome = Outcome(self.objectives(log))
        except StoppedError as error:
            outcome = Outcome(failure=str(error), is_stopped=True)
        except KeyboardInterrupt as error:
            outcome, stop = Outcome(failure=INTERRUPTED), error
        except InfeasibleError as error:
            with interrupts.held():
                self.refuse(trial, error)
            return False
        except Exception as error:  # (a bug in one trial must not lose a study)
            if isinstance(error, NOT_THE_TRIALS):
                raise
            if is_disk_full(error, self.place.folder):
                outcome, stop = Outcome(failure=INTERRUPTED), OSError(errno.ENOSPC, str(error))
            else:
                outcome = self.failed(trial, error, log)
        try:
            with interrupts.held():
                if outcome.failure:
                    log.record({"seconds": time.monotonic() - begun})
                log.close()
                self.end(trial, outcome, log)
        finally:
            if stop is not None:
                raise stop
        return True

    def folder_of(self, trial: optuna.Trial) -> Path:
        """Where a trial's files lie: a trial that repeats another goes on in its folder."""
        return self.place.folder / str(trial.user_attrs.get(FOLDER, trial.number))

    def candidate(self, trial: optuna.Trial, log: TrialLog) -> Candidate | None:
        """The trial's architecture with its costs on record; None when it is refused."""
        try:
            with self.turns.storage.same_look(), log.together():
                return feasible(self.search, trial, log, folder=self.folder_of(trial))
        except SpecError as error:
            log.tell("spec", 1)
            self.refuse(trial, error.first)
        except InfeasibleError as error:
            self.refuse(trial, error)
        return None

    def objectives(self, log: TrialLog) -> tuple[float, ...]:
        """The objectives, from what was recorded.

        Raises:
            StudyError: an objective was not recorded, or is not a number.
        """
        names = self.search.space.objectives
        for name in names:
            value = log.figures.get(name, math.nan)
            if math.isinf(value):
                raise StudyError(f"{name} is {value}, which no search can compare")
            if math.isnan(value):
                known = ", ".join(sorted(log.figures))
                raise StudyError(f"{name} was not measured; recorded: {known}")
        return tuple(float(log.figures[name]) for name in names)

    def refuse(self, trial: optuna.Trial, reason: object) -> None:
        """Record a trial that ends before training; it does not count."""
        if isinstance(reason, Problem):
            reason = f"{reason.field}: {reason.message}" if reason.field else reason.message
        trial.set_user_attr("failure", str(reason))
        self.study.tell(trial, state=TrialState.PRUNED)
        self.listener.ended(trial.number, "infeasible", str(reason))
        self.patience.refused()

    def failed(self, trial: optuna.Trial, error: Exception, log: TrialLog) -> Outcome:
        """A failure; the traceback of an unexpected one goes to the trial's folder.

        One that is the spec's own is a result: the sampler is told as of a refused spec.
        """
        if "duplicate_of" in trial.user_attrs:
            self.patience.refused()
        else:
            self.patience.failed(error)
        if isinstance(error, DivergedError):
            log.note(DIVERGED_AT, error.step)
            log.tell("training", 1)
            return Outcome(failure=why(error), has_diverged=True)
        if is_bug(error):
            folder = self.folder_of(trial)
            folder.mkdir(parents=True, exist_ok=True)
            text = "".join(traceback.format_exception(error))
            (folder / "traceback.txt").write_text(text, encoding="utf-8")
        return Outcome(failure=why(error))

    def end(self, trial: optuna.Trial, outcome: Outcome, log: TrialLog) -> None:
        """End the trial; a finished trial cannot be changed, so all else is written before."""
        if outcome.is_stopped:
            trial.set_user_attr("failure", outcome.failure)
            self.study.tell(trial, state=TrialState.PRUNED)
            self.patience.succeeded()
            log.ended(trial.number, "stopped", outcome.failure)
        elif outcome.failure == INTERRUPTED:
            self.give_back(trial)
            log.ended(trial.number, "failed", outcome.failure)
        elif outcome.failure:
            trial.set_user_attr("failure", outcome.failure)
            state = TrialState.PRUNED if outcome.has_diverged else TrialState.FAIL
            self.study.tell(trial, state=state)
            log.ended(trial.number, "failed", outcome.failure)
        else:
            self.study.tell(trial, outcome.values)
            self.patience.succeeded()
            named = zip(self.search.space.objectives, outcome.values, strict=True)
            note = ", ".join(f"{name} {value:.4g}" for name, value in named)
            log.ended(trial.number, "complete", note)
