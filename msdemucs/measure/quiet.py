"""Was the machine quiet while something was timed? And how processes of one host see to it.

A latency that is measured while another worker trains says how busy the host is. Measurements
therefore take turns, and trainings beside them pause between two steps. The kernel holds the locks:
a process that is killed lets go of them. What runs beside them is watched.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from msdemucs.columns import MOST_BUSY

Found = TypeVar("Found")

QUIET = MOST_BUSY
"""Share of the cores that others may keep busy while the machine still counts as quiet."""


@dataclass
class Others:
    """What other processes did during a with-block; filled when it ends.

    Attributes:
        share: of all cores, how much they kept busy, in [0, 1].
    """

    share: float = 0.0


@contextmanager
def others() -> Iterator[Others]:
    """A with-block during which other processes are watched."""
    found = Others()
    wall, busy, own = time.monotonic(), _busy_seconds(), time.process_time()
    try:
        yield found
    finally:
        elapsed = time.monotonic() - wall
        foreign = _busy_seconds() - busy - (time.process_time() - own)
        found.share = min(1.0, max(0.0, foreign / max(1e-9, elapsed * (os.cpu_count() or 1))))


def is_quiet(share: float) -> bool:
    """Whether others kept so little of the cores busy that a time is the model's own."""
    return share <= QUIET


def quietly(measure: Callable[[], Found], *, attempts: int) -> tuple[Found, float]:
    """What a measurement found in its quietest attempt, and the share of others during it.

    The first attempt during which the machine was quiet is the last.

    Args:
        measure: takes the measurement.
        attempts: at most so many; at least 1.
    """
    best: tuple[Found, float] | None = None
    for _ in range(attempts):
        with others() as seen:
            found = measure()
        if best is None or seen.share < best[1]:
            best = (found, seen.share)
        if is_quiet(seen.share):
            break
    assert best is not None
    return best


def _busy_seconds() -> float:
    """Seconds that all cores together have worked since the machine started."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


LOCK_FOLDER = Path(tempfile.gettempdir())
"""Of the lock files, which all processes of a user on a host share."""

PATIENCE_S = 300.0
"""How long others' measurements are waited for: a few of a large model on one thread."""

STEP_PATIENCE_S = 10.0
"""How long a measurement waits for trainings to end their step, all of them paused meanwhile."""

SECONDS_BETWEEN_TRIES = 0.05


class HostLock:
    """One process's part in the locks of its host.

    - `queue`: held by the process whose turn it is to measure; a training that finds it taken
      pauses.
    - `work`: shared by trainings, held alone by a measurement.

    No wait is longer than its patience, after which a measurement goes on beside the others, and
    a training without pausing again. Where no lock file can be made, nothing waits.
    """

    def __init__(self) -> None:
        self._queue = self._work = -1
        self._is_impatient = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """A block that others' measurements wait for, and that pauses for them in `give_way`."""
        name = f"msdemucs-{os.getuid()}"
        self._is_impatient = False
        with suppress(OSError):
            self._queue = _opened(LOCK_FOLDER / f"{name}-measuring.lock")
            self._work = _opened(LOCK_FOLDER / f"{name}-training.lock")
        try:
            self._join()
            yield
        finally:
            for number in (self._queue, self._work):
                with suppress(OSError):
                    os.close(number)
            self._queue = self._work = -1

    def give_way(self) -> None:
        """Pause while another process measures; of no effect outside of `working`."""
        if self._is_impatient or _take(self._queue, fcntl.LOCK_SH):
            _let_go(self._queue)
            return
        _let_go(self._work)
        self._join()

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """A block during which the other processes neither measure nor train, within `working`."""
        _let_go(self._work)  # before anything is waited for: no two hold what the other waits for
        try:
            if _waited(self._queue, fcntl.LOCK_EX, PATIENCE_S):
                _waited(self._work, fcntl.LOCK_EX, STEP_PATIENCE_S)
            yield
        finally:
            _let_go(self._work)
            _let_go(self._queue)
            self._join()

    def _join(self) -> None:
        """Share `work` with the trainings, once no one measures."""
        has_queue = _waited(self._queue, fcntl.LOCK_SH, PATIENCE_S)
        self._is_impatient = not (has_queue and _take(self._work, fcntl.LOCK_SH))
        _let_go(self._queue)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _waited(number: int, kind: int, patience: float) -> bool:
    """Whether a lock was had within a time."""
    until = time.monotonic() + patience
    while not _take(number, kind):
        if time.monotonic() >= until:
            return False
        time.sleep(SECONDS_BETWEEN_TRIES)
    return True


def _take(number: int, kind: int) -> bool:
    """Whether a lock was free; one that cannot be had at all, for want of a file, is."""
    try:
        fcntl.flock(number, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except (OSError, ValueError):
        return True
    return True


def _let_go(number: int) -> None:
    with suppress(OSError, ValueError):
        fcntl.flock(number, fcntl.LOCK_UN)
