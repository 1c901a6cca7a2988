"""Files that several processes share: locks on them, and a study in a file that all append to."""

import fcntl
import json
import logging
import math
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import sqlalchemy
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

LOCK_TIMEOUT_S = 300
"""How long a writer waits for SQLite's lock before it gives up."""

TOLD_AFTER_S = 5.0
"""How long a lock is waited for before it is told who holds it."""

LOCKS = Path("/proc/locks")
"""Linux's list of who holds locks on files: number, kind, …, process, device:inode, range."""


class Waiting:
    """Whom to tell that a database is away, and who may end the waiting.

    Attributes:
        say: is told once when the waiting begins, and when it is over; without a listener a line
            on stderr.
        is_over: whether to give up at once: Ctrl-C.
        answered_at: when the database answered again, by this host's monotonic clock.
    """

    def __init__(self) -> None:
        self.say: Callable[[str], None] = logging.getLogger("msdemucs").warning
        self.is_over: Callable[[], bool] = lambda: False
        self.answered_at = -math.inf


class Wait:
    """Tells who holds the lock on a file when a wait for it takes long.

    Args:
        path: of the file.
        say: is told, in a thread of its own.
        is_locked: whether another holds a lock there, where the system does not say who.
    """

    def __init__(
        self, path: Path, say: Callable[[str], None], is_locked: Callable[[], bool]
    ) -> None:
        self.path, self.say, self.is_locked = path, say, is_locked
        self._timer = threading.Timer(TOLD_AFTER_S, self._tell)
        self._timer.daemon = True
        self._is_told = False
        self._timer.start()

    def over(self) -> None:
        """Stop waiting."""
        self._timer.cancel()
        if self._is_told:
            self._is_told = False
            self.say(f"{self.path} is free again")

    def _tell(self) -> None:
        holders = holders_of(self.path)
        if holders or self.is_locked():
            self._is_told = True
            names = " and ".join(holders) or "another program"
            self.say(f"{self.path} is locked by {names}; waiting")


def holders_of(path: Path) -> list[str]:
    """The other processes that hold locks on a file, each with its program; [] where unknown."""
    processes: dict[int, None] = {}
    with suppress(OSError, ValueError):
        inode = path.stat().st_ino
        for line in LOCKS.read_text(encoding="ascii").splitlines():
            fields = line.split()
            if "->" not in fields and int(fields[5].rpartition(":")[2]) == inode:
                processes[int(fields[4])] = None
    return [_named(process) for process in processes if process not in (os.getpid(), -1)]


def _named(process: int) -> str:
    with suppress(psutil.Error):
        return f"process {process} ({psutil.Process(process).name()})"
    return f"process {process}" if process else "a process of another container"


@contextmanager
def locked(path: Path, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold the kernel's lock on a file, which is made; a killed process lets go of it.

    Args:
        path: of the file.
        say: is told who holds the lock, when it is waited for long.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait = Wait(path, say or Waiting().say, lambda: True)
            try:
                fcntl.flock(number, fcntl.LOCK_EX)
            finally:
                wait.over()
        yield
    finally:
        os.close(number)


@contextmanager
def told_when_locked(path: Path, waiting: Waiting) -> Iterator[None]:
    """A block of which is told who holds an SQLite file's lock, when it waits for that long."""
    wait = Wait(path, lambda line: waiting.say(line), partial(_is_locked, path))
    try:
        yield
    finally:
        wait.over()


def tell_when_locked(engine: sqlalchemy.Engine, path: Path, waiting: Waiting) -> None:
    """The same of all that is ever done with an engine's connections."""

    @sqlalchemy.event.listens_for(engine, "checkout")
    def taken(_: object, record: Any, *__: object) -> None:
        record.info["wait"] = Wait(path, lambda line: waiting.say(line), partial(_is_locked, path))

    @sqlalchemy.event.listens_for(engine, "checkin")
    def given_back(_: object, record: Any) -> None:
        if wait := record.info.pop("wait", None):  # none of a connection that was broken off
            wait.over()


def _is_locked(path: Path) -> bool:
    """Whether an SQLite file cannot be written to at once."""
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as opened:
        try:
            opened.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return "locked" in str(error)
    return False


class Journal(JournalStorage):
    """A file to which every process appends what it does."""

    def __init__(self, path: Path) -> None:
        self.waiting = Waiting()
        self.path = path
        super().__init__(JournalFile(path))

    def close(self) -> None:
        """Nothing: the file is opened for each read and write."""

    def change_marker(self, study_id: int) -> object:  # noqa: ARG002 (one file for all)
        """Something that differs once a trial has begun or ended: the file's size."""
        return self.path.stat().st_size

    @contextmanager
    def study_lock(self, study: str) -> Iterator[None]:  # noqa: ARG002 (one lock a file)
        """A block that only one of all processes that work on a study is in at any time."""
        with locked(self.path.with_name(self.path.name + ".turn"), self.waiting.say):
            yield


class JournalFile(JournalFileBackend):
    """Optuna's journal file with the kernel's lock, and without half-written lines.

    A kill or a full disk in the middle of a write leaves a line without an end, which Optuna takes
    for a damaged file as soon as another line follows; here it is removed before one does: nobody
    was told that it was written. The kernel's lock ends with the process that holds it; Optuna's
    own locks stay for 30 s after a kill.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(str(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append lines, all or none.

        Raises:
            OSError: they cannot be written.
        """
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with locked(self.path.with_name(self.path.name + ".lock")), self.path.open("r+b") as file:
            end = _end_of_last_line(file)
            file.truncate(end)
            file.seek(end)
            try:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file.fileno(), end)
                raise


def _end_of_last_line(file: Any) -> int:
    """The position after the last line that has an end."""
    position = file.seek(0, os.SEEK_END)
    while position:
        begin = max(0, position - 65536)
        file.seek(begin)
        newline = file.read(position - begin).rfind(b"\n")
        if newline >= 0:
            return int(begin + newline + 1)
        position = begin
    return 0
