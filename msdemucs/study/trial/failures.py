"""Why trials fail, in one line each, and when a study that only fails should stop."""

import errno
import shutil
from pathlib import Path

from msdemucs.errors import CheckpointError, MsdemucsError, StudyError, causes

MOST_BUGS_IN_A_ROW = 3
MOST_FAILURES_IN_A_ROW = 10
MOST_REFUSALS_IN_A_ROW = 200

FULL_DISK = ("No space left", "disk is full", "Disk quota exceeded", "could not extend file")
"""How systems, SQLite and PostgreSQL say it."""

LEAST_SPACE = 1 << 20
"""Bytes of free space under which a failed write, of whatever kind, is put down to the disk."""

OUT_OF_MEMORY = "out of memory"


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
