"""A study run by this process: begun or joined, and worked on until it has its trials."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from msdemucs.study.execution.beginning import attend, begin_study, explained
from msdemucs.study.execution.joining import recorded_folder, seed_sampler
from msdemucs.study.execution.scheduler import Scheduler
from msdemucs.study.execution.trial_runner import TrialRunner
from msdemucs.study.search_space.space import Search
from msdemucs.study.storage.artifact_store import is_url
from msdemucs.study.storage.urls import STUDIES, storage_url, study_folder, without_password
from msdemucs.study.trial.candidate import Listener, Silent
from msdemucs.study.trial.recorder import Evaluate
from msdemucs.study.trial.workspace import workspace_of
from msdemucs.train.devices import Interrupts


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
    def of(cls, scheduler: Scheduler, ran: int, url: str) -> "Finished":
        """Return what has become of a study, of whose trials this call ran some."""
        study, progress = scheduler.study, scheduler.progress()
        front = tuple(trial.number for trial in study.best_trials)
        is_short = progress.is_used_up and progress.done < progress.wanted
        shown = without_password(url)
        return cls(study.study_name, ran, progress.done, front, shown, is_used_up=is_short)


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
    name, listener = search.space.name, listener or Silent()
    url = storage_url(name, storage, directory)
    with Interrupts() as interrupts, explained(url), ExitStack() as at_end:
        with interrupts.held():
            usual = study_folder(name, directory) / "trials"
            study, opened = begin_study(
                search, url, folder or usual, attrs or {}, extends=extends, is_usual=folder is None
            )
            at_end.callback(opened.close)
            attend(opened, listener, interrupts)
            seed_sampler(study, search, opened)
        recorded = recorded_folder(study)
        place = recorded if is_url(recorded) else folder or usual
        scheduler = Scheduler(
            study, opened, search=search, wanted=lambda: search.space.trials, say=listener.said
        )
        with trial_runner(scheduler, search, evaluate, place, listener) as runner:
            return Finished.of(scheduler, runner.run(interrupts), url)


@contextmanager
def trial_runner(
    scheduler: Scheduler, search: Search, evaluate: Evaluate, folder: str | Path, listener: Listener
) -> Iterator[TrialRunner]:
    """The loop of this process, for as long as it works on a study.

    Raises:
        UsageError: the folder is a URL that cannot be opened from here.
    """
    with workspace_of(folder, scheduler.study, say=listener.said) as workspace:
        yield TrialRunner(
            scheduler, search=search, evaluate=evaluate, listener=listener, workspace=workspace
        )
