"""The loop of a study: propose, refuse or evaluate, record, go on; resumable at any point."""

import math
import platform
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from msdemucs.cost import cost
from msdemucs.errors import MsdemucsError, SpecError, StudyError
from msdemucs.spec import Spec, diff_specs, dump_spec, spec_hash
from msdemucs.study.arms import arm_of, is_exhausted
from msdemucs.study.candidate import Candidate, Evaluate, Listener, Silent, TrialLog
from msdemucs.study.claims import claim, enqueue_again, recover
from msdemucs.study.failures import Patience, is_bug, reason_of
from msdemucs.study.sampling import expressed, propose
from msdemucs.study.space import Search
from msdemucs.study.storage import (
    STUDIES,
    create_or_continue,
    open_storage,
    storage_url,
    without_password,
)
from msdemucs.train.interrupts import Interrupts

PACKAGES = ("msdemucs", "torch", "optuna", "numpy")
"""Whose versions are recorded with each trial."""


@dataclass(frozen=True)
class Finished:
    """A study that has the trials it wants.

    Attributes:
        ran: how many trials this call ran, whatever became of them.
        complete: complete trials in the study.
        front: numbers of the trials that no other dominates.
        url: the database, without password.
    """

    name: str
    ran: int
    complete: int
    front: tuple[int, ...]
    url: str


@dataclass(frozen=True)
class Outcome:
    """What became of a trial: its objectives, or why it has none."""

    values: tuple[float, ...] = ()
    failure: str = ""


def run_study(
    search: Search,
    evaluate: Evaluate,
    *,
    storage: str | None = None,
    directory: Path = STUDIES,
    listener: Listener | None = None,
    attrs: Mapping[str, object] | None = None,
) -> Finished:
    """Run or continue a study until it has the complete trials that it wants.

    Args:
        search: what to vary, and how many trials.
        evaluate: trains and judges one candidate.
        storage: URL of a database; an SQLite file in `directory` when not given.
        directory: where SQLite files and the trials' folders lie.
        listener: is told what happens.
        attrs: what to record about a new study: recipe, data, machine, command.

    Raises:
        UsageError: no database's URL, or the study of that name asks something else.
        StudyError: the storage cannot be used, or trials fail again and again.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the study is left so that the same call continues.
    """
    url = storage_url(search.space.name, storage, directory)
    folder = directory / search.space.name / "trials"
    try:
        with Interrupts() as interrupts:
            with interrupts.held():
                study = create_or_continue(search, open_storage(url, create=True), attrs or {})
            told = listener or Silent()
            runner = Runner(study, search=search, evaluate=evaluate, listener=told, folder=folder)
            ran = runner.run(interrupts)
        front = tuple(trial.number for trial in study.best_trials)
        return Finished(search.space.name, ran, runner.complete, front, without_password(url))
    except (StorageInternalError, SQLAlchemyError) as error:
        reason = str(error).splitlines()[0]
        raise StudyError(
            f"the database {without_password(url)} failed: {reason}; "
            "once it works, the same command continues the study"
        ) from error


class Runner:
    """One process's part in a study."""

    def __init__(
        self,
        study: optuna.Study,
        *,
        search: Search,
        evaluate: Evaluate,
        listener: Listener,
        folder: Path,
    ) -> None:
        self.study = study
        self.search = search
        self.evaluate = evaluate
        self.listener = listener
        self.folder = folder
        self.patience = Patience()

    @property
    def complete(self) -> int:
        """Complete trials in the study, whoever ran them."""
        return len(self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))

    def run(self, interrupts: Interrupts) -> int:
        """Run trials until there are enough, and say how many."""
        with interrupts.held():
            for line in recover(self.study):
                self.listener.said(line)
        ran = 0
        while self.complete < self.search.space.trials:
            self.patience.check()
            if is_exhausted(self.study, self.search):
                break
            with interrupts.held():
                trial = self.study.ask()
                claim(trial)
            ran += self.run_trial(trial, interrupts)
        return ran

    def run_trial(self, trial: optuna.Trial, interrupts: Interrupts) -> bool:
        """One trial from proposal to record; False where its spec was refused.

        Raises:
            KeyboardInterrupt: the trial was interrupted, and is enqueued again.
        """
        log = TrialLog(trial, self.listener)
        begun = time.monotonic()
        try:
            candidate = self.candidate(trial, log)
            if candidate is None:
                return False
            self.listener.began(candidate, complete=self.complete, wanted=self.search.space.trials)
            self.evaluate(candidate, log)
            log.record({"seconds": time.monotonic() - begun})
            outcome = Outcome(self.objectives(log))
        except KeyboardInterrupt:
            outcome = Outcome(failure="interrupted")
        except MsdemucsError as error:
            outcome = self.failed(trial, error)
        except Exception as error:  # noqa: BLE001 (a bug in one trial must not lose a study)
            outcome = self.failed(trial, error)
        with interrupts.held():
            if outcome.failure:
                log.record({"seconds": time.monotonic() - begun})
            log.close()
            self.end(trial, outcome)
        if outcome.failure == "interrupted":
            raise KeyboardInterrupt
        return True

    def candidate(self, trial: optuna.Trial, log: TrialLog) -> Candidate | None:
        """The trial's architecture with its costs on record; None when it is refused."""
        baseline = trial.user_attrs.get("baseline")
        only = None if baseline is None else expressed(self.search, baseline)
        fields = propose(trial, self.search.space.vary, only=only)
        arm = trial.user_attrs.get("arm_name")
        name = str(baseline or arm or f"trial {trial.number}")
        try:
            if self.search.arms:
                spec, fields = arm_of(self.search, arm)
            elif baseline is not None:
                spec = self.search.baselines[baseline]
            else:
                spec = self.search.spec(fields, name=name)
            recipe = self.search.recipe(fields)
        except SpecError as error:
            self.refuse(trial, error)
            return None
        seed = int(trial.user_attrs.get("seed", self.search.space.seed))
        self.describe(spec, log)
        log.note("seed", seed)
        log.note("recipe", recipe.model_dump(mode="json"))
        return Candidate(trial.number, name, spec, seed, self.folder / str(trial.number), recipe)

    def describe(self, spec: Spec, log: TrialLog) -> None:
        """Record what is known before training: the spec, its costs, the versions at work."""
        differences = diff_specs(self.search.base, spec)
        log.note("spec", dump_spec(spec))
        log.note("spec_hash", spec_hash(spec))
        log.note("differences", {field: list(pair) for field, pair in differences.items()})
        versions = {name: version(name) for name in PACKAGES}
        log.note("versions", {"python": platform.python_version(), **versions})
        known = cost(spec)
        log.record(
            {
                "macs": known.macs,
                "macs_per_second": known.macs_per_second,
                "parameters": known.parameters,
            }
        )

    def objectives(self, log: TrialLog) -> tuple[float, ...]:
        """The objectives, from what was recorded.

        Raises:
            StudyError: an objective was not recorded, or is not a number.
        """
        names = self.search.space.objectives
        for name in names:
            if not math.isfinite(log.figures.get(name, math.nan)):
                known = ", ".join(sorted(log.figures))
                raise StudyError(f"{name} was not measured; recorded: {known}")
        return tuple(float(log.figures[name]) for name in names)

    def refuse(self, trial: optuna.Trial, error: SpecError) -> None:
        """Record a combination that makes no valid spec; it does not count."""
        first = error.first
        reason = f"{first.field}: {first.message}" if first.field else first.message
        trial.set_user_attr("failure", reason)
        self.study.tell(trial, state=TrialState.PRUNED)
        self.listener.ended(trial.number, "infeasible", reason)
        self.patience.refused()

    def failed(self, trial: optuna.Trial, error: Exception) -> Outcome:
        """A failure; the traceback of an unexpected one goes to the trial's folder."""
        self.patience.failed(error)
        if is_bug(error):
            folder = self.folder / str(trial.number)
            folder.mkdir(parents=True, exist_ok=True)
            text = "".join(traceback.format_exception(error))
            (folder / "traceback.txt").write_text(text, encoding="utf-8")
        return Outcome(failure=reason_of(error))

    def end(self, trial: optuna.Trial, outcome: Outcome) -> None:
        """End the trial; a finished trial cannot be changed, so all else is written before."""
        if outcome.failure:
            trial.set_user_attr("failure", outcome.failure)
            self.study.tell(trial, state=TrialState.FAIL)
            self.listener.ended(trial.number, "failed", outcome.failure)
        else:
            self.study.tell(trial, outcome.values)
            self.patience.succeeded()
            named = zip(self.search.space.objectives, outcome.values, strict=True)
            note = ", ".join(f"{name} {value:.4g}" for name, value in named)
            self.listener.ended(trial.number, "complete", note)
        if outcome.failure == "interrupted":
            stored = self.study.get_trials(deepcopy=False)[trial.number]
            enqueue_again(self.study, stored, "interrupted")
