"""Where a trial's files lie while it runs, and where they are kept."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import optuna

from msdemucs.errors import CheckpointError
from msdemucs.study.storage.artifact_store import ArtifactStore, is_url
from msdemucs.study.storage.scratch import scratch
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.log_file import LOG
from msdemucs.study.trial.recorder import TrialRecorder
from msdemucs.train.training import CHECKPOINTS


@dataclass(frozen=True)
class Workspace:
    """Where a process keeps the folders of the trials that it runs.

    Attributes:
        folder: holds a folder for each trial.
        store: where they are kept, when `folder` is this process's alone.
        say: is told what could not be kept.
    """

    folder: Path
    store: ArtifactStore | None = None
    say: Callable[[str], None] = lambda _: None
    published: set[Path] = field(default_factory=set)
    """Folders of trials that are complete, and need no checkpoint any more."""

    def fetch(self, folder: Path) -> None:
        """Give a trial's folder what another process has left of it; before its log is begun.

        Raises:
            CheckpointError: it is there, and cannot be had.
        """
        if self.store is not None:
            self.store.fetch(folder)

    @contextmanager
    def kept(self, candidate: Candidate, log: TrialRecorder) -> Iterator[Candidate]:
        """A block that evaluates a candidate, of which the store keeps what was done.

        Yields:
            The candidate, whose checkpoints go to the store as they are saved.
        """
        store, folder = self.store, candidate.folder
        if store is None:
            yield candidate
            return
        log.note("log", store.address(folder.name, LOG))

        def address(path: Path) -> str:
            return store.address(folder.name, path.relative_to(folder).as_posix())

        def save() -> None:
            try:
                store.store(folder)
            except CheckpointError as error:  # the next one may work, and this one is here
                self.say(f"trial {candidate.trial}: a checkpoint was not put to {error}")

        try:
            yield replace(candidate, on_saved=save, address=address)
        except BaseException:
            save()
            raise
        store.publish(folder, is_complete=True)
        self.published.add(folder)

    def leave(self, folder: Path) -> None:
        """Let go of a trial's folder, when all but the end of its log is kept."""
        if self.store is None or not folder.is_dir():
            return
        with suppress(CheckpointError):
            if folder not in self.published and any(folder.rglob(CHECKPOINTS)):
                self.store.store(folder)
            self.store.publish(folder, is_complete=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def workspace_of(
    folder: str | Path, study: optuna.Study, *, say: Callable[[str], None]
) -> Iterator[Workspace]:
    """The workspace for a study's trials: a path, or this process's own before a URL.

    Raises:
        UsageError: a URL that cannot be opened from here.
    """
    if not is_url(str(folder)):
        yield Workspace(Path(folder))
        return
    owner = f"{study.study_name} {study.user_attrs.get('started', '')}"
    store = ArtifactStore(str(folder), owner=owner)
    with scratch() as local:
        yield Workspace(local, store, say)
