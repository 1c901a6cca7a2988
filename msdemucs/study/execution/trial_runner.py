"""The loop of one process: propose, look up or train and score, record, go on."""

import errno
import math
import time
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from msdemucs.errors import DivergedError, Problem, SpecError, StudyError
from msdemucs.study.execution.scheduler import Scheduler
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.leases import (
    FOLDER,
    INTERRUPTED,
    Lease,
    TrialLostError,
    fail,
    retry,
)
from msdemucs.study.storage.states import DIVERGED_AT
from msdemucs.study.trial.candidate import Listener
from msdemucs.study.trial.failures import FailurePolicy, is_bug, is_disk_full, reason_of
from msdemucs.study.trial.log_file import LOG, TrialLogFile
from msdemucs.study.trial.proposal import propose_candidate
from msdemucs.study.trial.recorder import Evaluate, InfeasibleError, StoppedError, TrialRecorder
from msdemucs.study.trial.result_cache import ResultCache
from msdemucs.study.trial.workspace import Workspace
from msdemucs.train.devices import Interrupts

ENDED_BY_ANOTHER = (TrialLostError, UpdateFinishedTrialError)
"""Another process took this one for dead and ended its trial."""

NOT_THE_TRIALS = (StorageInternalError, SQLAlchemyError, *ENDED_BY_ANOTHER)
"""What a trial cannot cause."""


@dataclass(frozen=True)
class Outcome:
    """What became of a trial.

    Attributes:
        values: its objectives, of a complete one.
        failure: why it has none.
        is_refused: whether it ended before training: it does not count.
        is_stopped: whether it ended at a rung, its checkpoint kept.
        has_diverged: whether its training did, as the same one will again.
    """

    values: tuple[float, ...] = ()
    failure: str = ""
    is_refused: bool = False
    is_stopped: bool = False
    has_diverged: bool = False


class TrialRunner:
    """Runs trials of a study in this process, one after another.

    Args:
        scheduler: hands them out.
        search: what the study asks.
        evaluate: trains and scores one candidate.
        listener: is told what happens.
        workspace: where trials' folders lie.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        search: Search,
        evaluate: Evaluate,
        listener: Listener,
        workspace: Workspace,
    ) -> None:
        self.scheduler, self.study = scheduler, scheduler.study
        self.search, self.evaluate, self.listener = search, evaluate, listener
        self.results = ResultCache(search, scheduler.study)
        self.workspace = workspace
        self.failure_policy = FailurePolicy()

    def run(self, interrupts: Interrupts, *, most: int | None = None, waits: bool = True) -> int:
        """Run trials until there are enough, or `most`, and return how many.

        Where other processes run the last ones it waits for them, unless it is told not to.

        Raises:
            StudyError: trials fail again and again.
            KeyboardInterrupt: Ctrl-C or SIGTERM; the trial at hand is enqueued again.
        """
        ran = 0
        while most is None or ran < most:
            self.failure_policy.check()
            trial = None
            try:
                with interrupts.held():
                    trial = self.scheduler.next()
                if trial is not None:
                    ran += self.run_trial(trial, interrupts)
                    continue
            except KeyboardInterrupt:
                with interrupts.held():
                    self._enqueue_again(trial)
                raise
            if self.scheduler.last.is_done or not waits:
                return ran
            self.scheduler.wait()
        return ran

    def run_trial(self, trial: optuna.Trial, interrupts: Interrupts) -> bool:
        """Run one trial from proposal to record; return False where its spec was refused.

        Raises:
            KeyboardInterrupt: the trial was interrupted, and is enqueued again.
            OSError: no space is left on the disk; the trial is enqueued again if that works.
        """
        folder, lease, judge = self.folder_of(trial), Lease(trial), self.scheduler.judge
        log_file = TrialLogFile(self.listener, folder / LOG, lease.check)
        objection = partial(judge.objection, self.study, trial) if judge else None
        recorder = TrialRecorder(trial, log_file, objection)
        begun = time.monotonic()
        try:
            with lease.renewed(), log_file.open():
                outcome, stop = self.outcome_of(recorder, folder)
                try:
                    with interrupts.held():
                        if outcome.failure and not outcome.is_refused:
                            recorder.record({"seconds": time.monotonic() - begun})
                        if not outcome.is_refused:
                            recorder.close()
                        self.end(recorder, outcome)
                finally:
                    if stop is not None:
                        raise stop
                return not outcome.is_refused
        except ENDED_BY_ANOTHER:
            self.listener.said(
                f"trial {trial.number} was taken for dead and ended by another process"
            )
            return True
        finally:
            self.workspace.leave(folder)

    def evaluated(self, recorder: TrialRecorder, folder: Path) -> tuple[float, ...]:
        """Propose a trial's candidate, train and score it, and return its objectives.

        Raises:
            InfeasibleError: its parameters make no valid spec, or one that costs more than the
                study allows.
            StoppedError: it was stopped at a rung.
            DivergedError: its training diverged.
            StudyError: an objective was not recorded.
        """
        begun = time.monotonic()
        with recorder.together():
            try:
                candidate = propose_candidate(self.search, recorder.trial, recorder, folder=folder)
            except SpecError as error:
                recorder.tell("spec", 1)
                raise InfeasibleError(_line(error.first), {}) from error
        self.workspace.fetch(folder)
        study = self.scheduler.last
        recorder.progress.began(candidate, complete=study.done, wanted=study.wanted)
        if not self.results.take_over(candidate, recorder):
            with self.workspace.kept(candidate, recorder) as kept:
                self.evaluate(kept, recorder)  # to each rung, where the judge is asked; to the end
        recorder.record({"seconds": time.monotonic() - begun})
        return self.objectives(recorder)

    def outcome_of(
        self, recorder: TrialRecorder, folder: Path
    ) -> tuple[Outcome, BaseException | None]:
        """Return what becomes of a trial, and what ends the study with it: Ctrl-C, a full disk."""
        try:
            return Outcome(self.evaluated(recorder, folder)), None
        except StoppedError as error:
            return Outcome(failure=str(error), is_stopped=True), None
        except KeyboardInterrupt as error:
            return Outcome(failure=INTERRUPTED), error
        except InfeasibleError as error:
            return Outcome(failure=str(error), is_refused=True), None
        except Exception as error:  # (a bug in one trial must not lose a study)
            if isinstance(error, NOT_THE_TRIALS):
                raise
            if is_disk_full(error, self.workspace.folder):
                return Outcome(failure=INTERRUPTED), OSError(errno.ENOSPC, str(error))
            return self.failed(error, recorder, folder), None

    def folder_of(self, trial: optuna.Trial) -> Path:
        """Where a trial's files lie: a trial that repeats another goes on in its folder."""
        return self.workspace.folder / str(trial.user_attrs.get(FOLDER, trial.number))

    def objectives(self, recorder: TrialRecorder) -> tuple[float, ...]:
        """The objectives, from what was recorded.

        Raises:
            StudyError: an objective was not recorded, or is not a number.
        """
        names = self.search.space.objectives
        for name in names:
            value = recorder.figures.get(name, math.nan)
            if math.isinf(value):
                raise StudyError(f"{name} is {value}, which no search can compare")
            if math.isnan(value):
                known = ", ".join(sorted(recorder.figures))
                raise StudyError(f"{name} was not measured; recorded: {known}")
        return tuple(float(recorder.figures[name]) for name in names)

    def failed(self, error: Exception, recorder: TrialRecorder, folder: Path) -> Outcome:
        """A failure; the traceback of an unexpected one goes to the trial's folder.

        One that is the spec's own is a result: the sampler is told as of a refused spec.
        """
        if "duplicate_of" in recorder.trial.user_attrs:
            self.failure_policy.refused()
        else:
            self.failure_policy.failed(error)
        if isinstance(error, DivergedError):
            recorder.note(DIVERGED_AT, error.step)
            recorder.tell("training", 1)
            return Outcome(failure=reason_of(error), has_diverged=True)
        if is_bug(error):
            folder.mkdir(parents=True, exist_ok=True)
            text = "".join(traceback.format_exception(error))
            (folder / "traceback.txt").write_text(text, encoding="utf-8")
        return Outcome(failure=reason_of(error))

    def end(self, recorder: TrialRecorder, outcome: Outcome) -> None:
        """End a trial; a finished trial cannot be changed, so all else was written before."""
        trial, state, note = recorder.trial, "failed", outcome.failure
        if outcome.failure == INTERRUPTED:
            self._enqueue_again(trial)
        elif outcome.failure:
            is_pruned = outcome.is_refused or outcome.is_stopped or outcome.has_diverged
            trial.set_user_attr("failure", outcome.failure)
            self.study.tell(trial, state=TrialState.PRUNED if is_pruned else TrialState.FAIL)
        else:
            self.study.tell(trial, outcome.values)
            named = zip(self.search.space.objectives, outcome.values, strict=True)
            state, note = "complete", ", ".join(f"{name} {value:.4g}" for name, value in named)
        if outcome.is_refused:
            state = "infeasible"
            self.failure_policy.refused()
        elif outcome.is_stopped or not outcome.failure:
            state = "stopped" if outcome.is_stopped else state
            self.failure_policy.succeeded()
        recorder.progress.ended(trial.number, state, note)

    def _enqueue_again(self, trial: optuna.Trial | None) -> None:
        """Fail an interrupted trial, if it has not ended, and enqueue it again."""
        if trial is not None:
            with self.scheduler.storage.study_lock(self.study.study_name):
                if fail(self.study, trial._trial_id, INTERRUPTED):
                    retry(self.study, trial.number)


def _line(problem: Problem) -> str:
    return f"{problem.field}: {problem.message}" if problem.field else problem.message
