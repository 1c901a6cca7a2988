"""Where a trial's files lie while it runs, and where they are kept."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import optuna

from msdemucs.errors import CheckpointError
from msdemucs.study.storage.depot import Depot, is_url
from msdemucs.study.storage.scratch import scratch
from msdemucs.study.trials.candidate import Candidate, Evaluate, TrialLog
from msdemucs.study.trials.diary import LOG
from msdemucs.train.training import CHECKPOINTS


@dataclass(frozen=True)
class Place:
    """Where a process keeps the folders of the trials that it runs.

    Attributes:
        folder: holds a folder for each trial.
        depot: where they are kept, when `folder` is this process's alone.
        say: is told what could not be kept.
    """

    folder: Path
    depot: Depot | None = None
    say: Callable[[str], None] = lambda _: None
    published: set[Path] = field(default_factory=set)
    """Folders of trials that are complete, and need no checkpoint any more."""

    def enter(self, folder: Path) -> None:
        """Give a trial's folder what another process has left of it; before its log is begun.

        Raises:
            CheckpointError: it is there, and cannot be had.
        """
        if self.depot is not None:
            self.depot.fetch(folder)

    def kept(self, evaluate: Evaluate) -> Evaluate:
        """An evaluation that leaves in the depot what it has done."""
        depot = self.depot
        if depot is None:
            return evaluate

        def there(candidate: Candidate, log: TrialLog) -> None:
            folder = candidate.folder
            log.note("log", depot.address(folder.name, LOG))

            def address(path: Path) -> str:
                return depot.address(folder.name, path.relative_to(folder).as_posix())

            def store() -> None:
                try:
                    depot.store(folder)
                except CheckpointError as error:  # the next one may work, and this one is here
                    self.say(f"trial {candidate.trial}: a checkpoint was not put to {error}")

            try:
                evaluate(replace(candidate, on_saved=store, address=address), log)
            except BaseException:
                store()
                raise
            depot.publish(folder, is_complete=True)
            self.published.add(folder)

        return there

    def leave(self, folder: Path) -> None:
        """Let go of a trial's folder, when all but the end of its log is kept."""
        if self.depot is None or not folder.is_dir():
            return
        with suppress(CheckpointError):
            if folder not in self.published and any(folder.rglob(CHECKPOINTS)):
                self.depot.store(folder)
            self.depot.publish(folder, is_complete=False)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def place_of(
    folder: str | Path, study: optuna.Study, *, say: Callable[[str], None]
) -> Iterator[Place]:
    """The place for a study's trials: a path, or this process's own before a URL.

    Raises:
        UsageError: a URL that cannot be opened from here.
    """
    if not is_url(str(folder)):
        yield Place(Path(folder))
        return
    owner = f"{study.study_name} {study.user_attrs.get('started', '')}"
    depot = Depot(str(folder), owner=owner)
    with scratch() as own:
        yield Place(own, depot, say)
