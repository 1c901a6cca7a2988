"""Was the machine quiet while something was timed? And if not, can it be timed again?"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
