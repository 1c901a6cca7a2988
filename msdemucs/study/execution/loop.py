"""One process's part in a study: it begins or joins it, and runs trials until there are enough.

What others need to join is on the study's record: what it asks, how many trials are wanted, where
their folders lie.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from msdemucs.errors import StudyError, UsageError
from msdemucs.files import cause_of
from msdemucs.spec import validate_data
from msdemucs.study.execution.scheduler import Scheduler
from msdemucs.study.execution.trial_runner import TrialRunner, is_disk_full
from msdemucs.study.samplers.study_sampler import make_sampler
from msdemucs.study.search_space.loading import parse_search_space
from msdemucs.study.search_space.space import EMBEDDED_BAND, EMBEDDED_SAMPLE, Search, SearchSpace
from msdemucs.study.storage.databases import StudyStorage, reason_of
from msdemucs.study.storage.folders import ArtifactStore, claim_folder, is_url, refuse_taken
from msdemucs.study.storage.load import open_storage, open_study
from msdemucs.study.storage.studies import create_or_continue, refuse_other_data
from msdemucs.study.storage.urls import (
    StudyLocation,
    database_path,
    without_password,
)
from msdemucs.study.trial.candidate import Candidate, Evaluate
from msdemucs.study.trial.recorder import Listener, Silent, TrialRecorder
from msdemucs.study.trial.tracks import Say
from msdemucs.study.trial.workspace import workspace_of
from msdemucs.train.devices import Interrupts

JOINING, WANTED, PROCESSES = "joining", "wanted", "processes"
"""Attributes of a study: how to join it, its number of trials, how many processes ever joined."""

FAR_APART = 1000
"""Between the seeds of the proposals of two processes."""


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


def run_study(
    search: Search,
    evaluate: Evaluate,
    *,
    storage: str | StudyLocation | None = None,
    listener: Listener | None = None,
    attrs: Mapping[str, object] | None = None,
    extends: bool = False,
) -> Finished:
    """Run or continue a study until it has the trials that it wants, whoever else works on it.

    Args:
        search: what to vary, and how many trials.
        evaluate: trains and judges one candidate.
        storage: URL of a storage, or a file's path, or where the folders of trials lie as well;
            studies/<name>.db when not given.
        listener: is told what happens.
        attrs: what to record about a new study: recipe, data, machine, command.
        extends: whether what only adds to what the study asks is taken in.

    Raises:
        UsageError: no storage's URL, or the study of that name asks something else.
        StudyError: the storage cannot be used, a disk is full, or trials fail again and again.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the study is left so that the same call continues.
    """
    location = storage if isinstance(storage, StudyLocation) else StudyLocation(storage)
    name, listener = search.space.name, listener or Silent()
    url = location.url(name)
    with Interrupts() as interrupts, explained(url), ExitStack() as at_end:
        with interrupts.held():
            study, opened = begin_study(search, location, attrs or {}, extends=extends)
            at_end.callback(opened.close)
            attend(opened, listener, interrupts)
            seed_sampler(study, search, opened)
        recorded = recorded_folder(study)
        folder = recorded if is_url(recorded) else location.trials(name)
        scheduler = Scheduler(
            study, opened, search=search, wanted=lambda: search.space.trials, say=listener.said
        )
        workspace = at_end.enter_context(workspace_of(folder, study, say=listener.said))
        runner = TrialRunner(
            scheduler, search=search, evaluate=evaluate, listener=listener, workspace=workspace
        )
        return Finished.of(scheduler, runner.run(interrupts), url)


class Trains(Protocol):
    """What trains and judges candidates: a Bench."""

    def describe(self) -> dict[str, object]:
        """What a study records about it."""

    def evaluate(self, candidate: Candidate, log: TrialRecorder) -> None:
        """One trial."""


class Prepare(Protocol):
    """Makes what all trials of a study share."""

    def __call__(self, search: Search, *, say: Say) -> Trains:
        """A bench for the study."""


@dataclass(frozen=True)
class Part:
    """How much of a study's work a process takes.

    Attributes:
        most: trials after which it leaves; None for no limit.
        token: by which whoever started it finds the trial that it runs.
        waits: whether it waits for the trials of others to end, one of which may fail.
    """

    most: int | None = None
    token: str = ""
    waits: bool = True


def work_on(
    name: str,
    url: str,
    prepare: Prepare,
    *,
    listener: Listener | None = None,
    folder: str | Path | None = None,
    part: Part | None = None,
) -> Finished:
    """Work on a study until it has the trials that it wants.

    Args:
        name: of the study.
        url: of its storage.
        prepare: makes what trains and judges its candidates.
        listener: is told what happens.
        folder: for the trials' folders, a path or a URL; the study's own when not given.
        part: how much of the work this process takes.

    Raises:
        UsageError: there is no such study, or the data here are not the study's.
        StudyError: the storage cannot be used, a disk is full, or trials fail again and again.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    part, listener = part or Part(), listener or Silent()
    with Interrupts() as interrupts, explained(url), ExitStack() as at_end:
        with interrupts.held():
            opened = at_end.enter_context(closing(open_storage(url)))
            attend(opened, listener, interrupts)
            study = open_study(opened, name)
            search, recorded = search_of_study(study)
        where = writable_folder(folder or recorded)
        bench = prepare(search, say=listener.said)
        refuse_other_data(study, bench.describe())
        with interrupts.held():
            seed_sampler(study, search, opened)

        def wanted() -> int:
            return int(study.user_attrs.get(WANTED, search.space.trials))

        scheduler = Scheduler(
            study, opened, search=search, wanted=wanted, say=listener.said, token=part.token
        )
        workspace = at_end.enter_context(workspace_of(where, study, say=listener.said))
        runner = TrialRunner(
            scheduler,
            search=search,
            evaluate=bench.evaluate,
            listener=listener,
            workspace=workspace,
        )
        ran = runner.run(interrupts, most=part.most, waits=part.waits)
        return Finished.of(scheduler, ran, url)


def begin_study(
    search: Search, location: StudyLocation, attrs: Mapping[str, object], *, extends: bool = False
) -> tuple[optuna.Study, StudyStorage]:
    """A new study or one that goes on, with all on record that others need to join it.

    Where nobody names a folder, one that goes on keeps the URL that it has.

    Args:
        search: what to vary.
        location: where the study and its trials' folders are or will be.
        attrs: what to record about a new study.
        extends: whether what only adds to what the study asks is taken in.

    Raises:
        UsageError: no storage's URL, or the study of that name asks something else; the folder
            is that of a study in another storage, or a URL that cannot be written to.
        StudyError: the storage cannot be used.
    """
    name = search.space.name
    url, folder = location.url(name), location.trials(name)
    home = None  # of a URL: snapshots say whose they are
    if is_url(str(folder)):
        ArtifactStore(str(folder)).check()
    else:
        home = Path(folder).parent if Path(folder).name == "trials" else Path(folder)
    opened = open_storage(url, create=True)
    with ExitStack() as on_failure:
        on_failure.callback(opened.close)
        with opened.study_lock(name):
            if home:
                refuse_taken(home, opened, url, name)
            study = create_or_continue(search, opened, attrs, extends=extends)
            if home:
                claim_folder(home, study, url)
            recorded = recorded_folder(study)
            is_kept = location.folder is None and is_url(recorded)
            _remember(study, search, recorded if is_kept else folder)
        on_failure.pop_all()
    return study, opened


def _remember(study: optuna.Study, search: Search, folder: str | Path) -> None:
    """Record what a process elsewhere needs to work on the study.

    Args:
        study: just begun or continued.
        search: what it asks; relative paths are recorded from the root of the file system.
        folder: where its trials' folders lie: a path, or a URL.
    """
    space = search.space.model_dump(mode="json")
    for split, roots in space["data"].items():
        space["data"][split] = roots and [str(Path(root).absolute()) for root in roots]
    about = {
        "path": str(search.path.absolute()),
        "space": space,
        "folder": str(folder) if is_url(str(folder)) else str(Path(folder).absolute()),
        "directory": str(Path.cwd()),
    }
    attrs = study.user_attrs
    for key, value in ((JOINING, about), (WANTED, search.space.trials)):
        if attrs.get(key) != value:
            study.set_user_attr(key, value)


def recorded_folder(study: optuna.Study) -> str:
    """The path or URL of a study's trials' folders; "" for one that was not begun yet."""
    return str(study.user_attrs.get(JOINING, {}).get("folder", ""))


def search_of_study(study: optuna.Study) -> tuple[Search, str]:
    """What a study asks, from its own records, and the path or URL of its trials' folders.

    Raises:
        UsageError: the study was begun by an earlier version, or not by msdemucs.
        SpecError: a spec beside the search space is not there on this host.
    """
    attrs = study.user_attrs
    about: dict[str, Any] | None = attrs.get(JOINING)
    if about is None:
        raise UsageError(
            f"study “{study.study_name}” does not say how to join it: run the command that began "
            "it, msdemucs study run, once more"
        )
    path, is_small = Path(about["path"]), attrs["setting"] == "small"
    search = parse_search_space(attrs["search_space"], path, small=is_small)
    recorded = about["space"]
    data = {
        split: roots and [_here(root) for root in roots]
        for split, roots in recorded["data"].items()
    }
    origin = f"study {study.study_name}"
    space = validate_data({**recorded, "data": data}, SearchSpace, origin=origin)
    return search.as_asked(space), str(about["folder"])


def _here(root: str) -> str:
    """A folder of tracks; an embedded one that is not on this host is made by this process."""
    for embedded in (EMBEDDED_BAND, EMBEDDED_SAMPLE):
        if root.endswith(f"/{embedded}") and not Path(root).is_dir():
            return embedded
    return root


def writable_folder(folder: str | Path) -> str | Path:
    """A folder for trials that can be written to; a URL, which each trial will try.

    Raises:
        StudyError: it cannot.
    """
    if is_url(str(folder)):
        return folder
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"{folder}: cannot be made on this host: {cause_of(error)}; name a folder that "
            "all hosts share with --folder"
        ) from None
    if not os.access(folder, os.W_OK):
        raise StudyError(f"{folder}: cannot be written to; name another folder with --folder")
    return folder


def seed_sampler(study: optuna.Study, search: Search, storage: StudyStorage) -> None:
    """Give this process a sampler whose draws are no other process's."""
    with storage.study_lock(study.study_name):
        before = int(study.user_attrs.get(PROCESSES, 0))
        study.set_user_attr(PROCESSES, before + 1)
        drawn = len(study.get_trials(deepcopy=False)) + FAR_APART * before
    study.sampler = make_sampler(search, drawn=drawn)


def attend(opened: StudyStorage, listener: Listener, interrupts: Interrupts) -> None:
    """Have a storage tell when it waits for its database, and give up at Ctrl-C."""
    opened.waiting.say = listener.said
    opened.waiting.is_over = lambda: interrupts.is_pending


@contextmanager
def explained(url: str) -> Iterator[None]:
    """A block in which what a storage or a disk does wrong becomes one error with its remedy.

    Raises:
        StudyError: the storage failed, a disk is full, or the study was removed.
        KeyError: a bug.
    """
    shown = without_password(url)
    try:
        yield
    except KeyError as error:
        if "Record does not exist" not in str(error):  # Optuna's words, in all its storages
            raise
        raise StudyError(f"the study is no longer in {shown}: it was removed") from error
    except (StorageInternalError, SQLAlchemyError, OSError) as error:
        if is_disk_full(error, database_path(url) or Path()):
            raise StudyError(
                f"{shown}: no space is left on its disk or on that of the trials' folders; nothing "
                "that was finished is lost: free some, and the same command continues the study"
            ) from error
        raise StudyError(
            f"the database {shown} failed: {reason_of(error)}; "
            "once it works, the same command continues the study"
        ) from error
