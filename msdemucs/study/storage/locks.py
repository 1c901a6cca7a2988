"""What processes wait for: a lock on a file, and a database that is away."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Waiting:
    """Whom to tell that a database is away, and who may end the waiting.

    Attributes:
        say: is told once when the waiting begins, and when it is over.
        is_over: whether to give up at once: Ctrl-C.
    """

    def __init__(self) -> None:
        self.say: Callable[[str], None] = lambda _: None
        self.is_over: Callable[[], bool] = lambda: False


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the kernel's lock on a file, which is made; a killed process lets go of it."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)
