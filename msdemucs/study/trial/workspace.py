"""A trial's folder while it runs: its log, its scores at rungs, and where all that is kept."""

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

import optuna

from msdemucs.errors import CheckpointError
from msdemucs.files import write_text
from msdemucs.study.storage.folders import ArtifactStore, is_url
from msdemucs.study.storage.results import as_table
from msdemucs.study.trial.candidate import Candidate
from msdemucs.study.trial.recorder import Listener, Named, Row, TrialRecorder
from msdemucs.train.training import CHECKPOINTS

LOG = "log.txt"
"""The file in a trial's folder; a trial that goes on after a kill writes on in the same."""

SECONDS_BETWEEN_LINES = 10.0

RUNGS = "rungs.json"
"""Of every rung the qualities."""

RUNG_SCORES = "rung-scores.json"
"""Of the last rung the scores of every validation track and source."""


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


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this process alone; those of killed processes are removed.

    Raises:
        OSError: no space is left for it.
    """
    root = Path(tempfile.gettempdir()) / f"msdemucs-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    for other in root.iterdir():
        with suppress(OSError):  # it is just being made, or in use
            number = os.open(other / ".alive", os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)  # free where its process is gone
                shutil.rmtree(other, ignore_errors=True)
            finally:
                os.close(number)
    folder = Path(tempfile.mkdtemp(dir=root))
    number = os.open(folder / ".alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(number)
        shutil.rmtree(folder, ignore_errors=True)


class TrialLogFile:
    """A listener that passes on what it is told and writes it down with the time.

    Args:
        listener: is told the same.
        path: of the file; it and its folder are made by the first line.
        check: is called at each step, and may raise to stop the trial.
    """

    def __init__(self, listener: Listener, path: Path, check: Callable[[], None]) -> None:
        self.listener = listener
        self.path = path
        self.check = check
        self._file: TextIO | None = None
        self._what, self._total, self._written_at = "", 0, 0.0

    @contextmanager
    def open(self) -> Iterator["TrialLogFile"]:
        """The log file, closed in the end."""
        try:
            yield self
        finally:
            if self._file is not None:
                self._file.close()

    def write(self, line: str) -> None:
        """One dated line."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8", buffering=1)
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        self._file.write(f"{now}  {line}\n")

    def said(self, message: str) -> None:
        """A line about the study as a whole."""
        self.write(message)
        self.listener.said(message)

    def began(self, candidate: Named, *, complete: int, wanted: int) -> None:
        """The trial begins, perhaps again."""
        self.write(f"trial {candidate.trial} ({candidate.name}) begins, seed {candidate.seed}")
        self.listener.began(candidate, complete=complete, wanted=wanted)

    def phase(self, what: str, total: int) -> None:
        """What the trial does now."""
        self.check()
        self._what, self._total, self._written_at = what, total, time.monotonic()
        self.write(what + (f", {total} steps" if total > 1 else ""))
        self.listener.phase(what, total)

    def advanced(self, done: int, note: str) -> None:
        """A step; written every SECONDS_BETWEEN_LINES and at the end of a phase."""
        self.check()
        if done == self._total or time.monotonic() - self._written_at >= SECONDS_BETWEEN_LINES:
            self._written_at = time.monotonic()
            self.write(f"{self._what} {done}/{self._total}  {note}".rstrip())
        self.listener.advanced(done, note)

    def ended(self, trial: int, state: str, note: str) -> None:
        """How the trial ended; one that was refused before it began has no file."""
        if self._file is not None:
            self.write(f"trial {trial} {state}: {note}")
        self.listener.ended(trial, state, note)


class RungScores:
    """How a trial scored at the rungs that it came to; two files in its folder keep it.

    Attributes:
        qualities: step → quality → seed → score.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.qualities: dict[int, dict[str, dict[int, float]]] = {}
        if not (folder / RUNGS).is_file():
            return
        by_step = json.loads((folder / RUNGS).read_text(encoding="utf-8"))
        for step, qualities in by_step.items():
            if all(
                isinstance(scores, dict) for scores in qualities.values()
            ):  # not those of before
                self.qualities[int(step)] = {
                    quality: {int(seed): float(score) for seed, score in scores.items()}
                    for quality, scores in qualities.items()
                }

    def keep(self, step: int, qualities: dict[str, dict[int, float]], rows: Sequence[Row]) -> None:
        """Keep qualities at a rung, and the scores that they are made of in place of earlier ones'.

        Args:
            step: of the rung.
            qualities: quality → seed → score.
            rows: of every track, source and metric.
        """
        table = {"step": step, **as_table(Row._fields, rows)}
        write_text(self.folder / RUNG_SCORES, json.dumps(table))
        self.qualities[step] = qualities
        write_text(self.folder / RUNGS, json.dumps(self.qualities))

    def rows(self, step: int) -> list[Row]:
        """The scores of every track, source and metric at a rung, if it is the last one scored."""
        path = self.folder / RUNG_SCORES
        if not path.is_file():
            return []
        table = json.loads(path.read_text(encoding="utf-8"))
        is_it = table["step"] == step and table.get("columns") == list(Row._fields)
        return [Row(*row) for row in table["rows"]] if is_it else []
