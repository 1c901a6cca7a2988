"""A study in a file to which every process appends, made to outlive kills and full disks."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from msdemucs.study.storage.locks import Waiting, locked


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
        found = file.read(position - begin).rfind(b"\n")
        if found >= 0:
            return int(begin + found + 1)
        position = begin
    return 0
