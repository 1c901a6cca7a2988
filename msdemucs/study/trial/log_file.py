"""A trial's log file: what happened when, line by line, while the listener is told the same."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO

from msdemucs.study.trial.candidate import Listener, Named

LOG = "log.txt"
"""The file in a trial's folder; a trial that goes on after a kill writes on in the same."""

SECONDS_BETWEEN_LINES = 10.0


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
