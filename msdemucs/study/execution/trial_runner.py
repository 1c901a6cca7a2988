"""The loop of one process: propose, look up or train and score, record, go on.

Why a trial fails is said in one line; a study whose trials fail again and again stops.
"""

import errno
import math
import shutil
import time
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from msdemucs.errors import (
    CheckpointError,
    DivergedError,
    MsdemucsError,
    SpecError,
    StudyError,
    causes,
)
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
from msdemucs.study.storage.results import DIVERGED_AT
from msdemucs.study.trial.candidate import Evaluate, propose_candidate
from msdemucs.study.trial.recorder import InfeasibleError, Listener, StoppedError, TrialRecorder
from msdemucs.study.trial.result_cache import ResultCache
from msdemucs.study.trial.workspace import LOG, TrialLogFile, Workspace
from msdemucs.train.devices import Interrupts

ENDED_BY_ANOTHER = (TrialLostError, UpdateFinishedTrialError)
"""Another process took this one for dead and ended its trial."""

NOT_THE_TRIALS = (StorageInternalError, SQLAlchemyError, *ENDED_BY_ANOTHER)
"""What a trial cannot cause."""

MOST_BUGS_IN_A_ROW = 3
MOST_FAILURES_IN_A_ROW = 10
MOST_REFUSALS_IN_A_ROW = 200

FULL_DISK = ("No space left", "disk is full", "Disk quota exceeded", "could not extend file")
"""How systems, SQLite and PostgreSQL say it."""

LEAST_SPACE = 1 << 20
"""Bytes of free space under which a failed write, of whatever kind, is put down to the disk."""

OUT_OF_MEMORY = "out of memory"


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
        # a trial that repeats another goes on in its folder
        folder = self.workspace.folder / str(trial.user_attrs.get(FOLDER, trial.number))
        lease, judge = Lease(trial), self.scheduler.judge
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
                candidate = propose_candidate(self.search, recorder, folder=folder)
            except SpecError as error:
                recorder.tell("spec", 1)
                problem = error.first
                line = f"{problem.field}: {problem.message}" if problem.field else problem.message
                raise InfeasibleError(line, {}) from error
            recorder.note("log", str(folder / LOG))
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


def reason_of(error: Exception) -> str:
    """One line that says the kind of failure, then what happened."""
    if isinstance(error, MsdemucsError):
        return f"{type(error).__name__}: {error}"
    text = (str(error).strip().splitlines() or ["no message"])[0]
    return f"{OUT_OF_MEMORY if _is_out_of_memory(error) else type(error).__name__}: {text}"


def is_bug(error: Exception) -> bool:
    """Whether the program is at fault, and not a candidate, its data or the machine's size."""
    return not isinstance(error, MsdemucsError) and not _is_out_of_memory(error)


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """Whether something could not be written for want of space, in a folder or a database."""
    for cause in causes(error):
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in str(cause) for words in FULL_DISK):
            return True
    if not isinstance(error, CheckpointError | OSError | RuntimeError):
        return False
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), None)
    return there is not None and shutil.disk_usage(there).free < LEAST_SPACE


class FailurePolicy:
    """Counts what goes wrong in a row."""

    def __init__(self) -> None:
        self.succeeded()

    def succeeded(self) -> None:
        """A trial is complete: begin to count anew."""
        self._reasons: list[str] = []
        self._bugs: list[str] = []
        self._refusals = 0

    def failed(self, error: Exception) -> None:
        """A trial failed."""
        self._refusals = 0
        self._reasons.append(reason_of(error))
        kind = type(error).__name__
        if not is_bug(error):
            self._bugs = []
        else:
            self._bugs = [*self._bugs, kind] if kind in self._bugs[-1:] else [kind]

    def refused(self) -> None:
        """A combination made no valid spec."""
        self._refusals += 1

    def check(self) -> None:
        """Raise StudyError once trials fail again and again.

        Raises:
            StudyError: the same bug three times in a row, ten failures of any kind in a row, or
                hundreds of combinations in a row that make no valid spec.
        """
        if self._refusals >= MOST_REFUSALS_IN_A_ROW:
            raise StudyError(
                f"{self._refusals} combinations in a row make no valid spec, or one that diverged "
                "before: narrow vary"
            )
        if len(self._bugs) >= MOST_BUGS_IN_A_ROW:
            raise StudyError(
                f"{len(self._bugs)} trials in a row failed alike, the last with "
                f"“{self._reasons[-1]}”; each has a traceback.txt in its folder. "
                f"The same command continues the study"
            )
        if len(self._reasons) >= MOST_FAILURES_IN_A_ROW:
            raise StudyError(
                f"{len(self._reasons)} trials in a row failed, the last with “{self._reasons[-1]}”"
            )


def _is_out_of_memory(error: Exception) -> bool:
    """Whether Python's, the CPU's or the GPU's allocator had no more."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return bool(kinds & {"MemoryError", "OutOfMemoryError"}) or "can't allocate" in str(error)
