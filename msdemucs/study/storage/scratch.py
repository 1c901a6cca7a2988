"""A process's own folder for trials that are kept elsewhere, gone when the process is."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of this process alone; those of killed processes are removed.

    Raises:
        OSError: no space is left for it.
    """
    root = Path(tempfile.gettempdir()) / f"msdemucs-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    for left in root.iterdir():
        _remove_if_left(left)
    folder = Path(tempfile.mkdtemp(dir=root))
    number = os.open(folder / ".alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield folder
    finally:
        os.close(number)
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_left(folder: Path) -> None:
    """Remove a process's folder where the process is gone: the kernel let go of its lock."""
    try:
        number = os.open(folder / ".alive", os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # just being made, or removed
        return
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(number)
