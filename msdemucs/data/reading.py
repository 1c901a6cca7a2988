"""Folders and files as systems leave them: what counts as there, and which failed reads pass."""

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from msdemucs.errors import DataError
from msdemucs.files import cause_of

T = TypeVar("T")

CLUTTER = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "#recycle", "lost+found"}
    | {"$recycle.bin", "system volume information"}
)
"""What systems put into folders of their own accord, in lower case; hidden names beside."""

PASSING = frozenset(
    getattr(errno, name)
    for name in (
        *("EIO", "ESTALE", "ETIMEDOUT", "EAGAIN", "EINTR", "EBUSY", "ECONNABORTED", "ECONNREFUSED"),
        *("ECONNRESET", "ENOTCONN", "ESHUTDOWN", "EPIPE", "ENETDOWN", "ENETRESET", "ENETUNREACH"),
        *("EHOSTDOWN", "EHOSTUNREACH", "EREMOTEIO", "ENOLINK", "EPROTO"),
    )
    if hasattr(errno, name)
)
"""Failures of a network or a device that may have passed a moment later."""

PAUSES_S = (0.3, 1.0, 3.0)
"""Seconds before each further try."""


def listed(folder: Path) -> list[Path]:
    """The entries of a folder by name, without hidden ones and what systems put there.

    `._drums.wav` beside `drums.wav` is what a Mac leaves on other systems' disks.

    Raises:
        DataError: the folder cannot be listed.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"cannot be listed ({cause_of(error)})", path=folder) from error
    return [
        entry
        for entry in entries
        if not entry.name.startswith(".") and entry.name.lower() not in CLUTTER
    ]


def is_dangling(path: Path) -> bool:
    """Whether a path is a link to nothing."""
    return path.is_symlink() and not path.exists()


def patiently(read: Callable[[], T], path: Path) -> T:
    """The result of a read, tried again where it fails as networks fail.

    Decoders hide what the system said (libsndfile calls a network's failure an unknown format), so
    a file at which one fails is read through once as bytes: what that raises is the reason.

    Args:
        read: reads from one file.
        path: of the file.

    Raises:
        OSError: what the system says, after the last try.
        Exception: what the decoder says, of a file that the system can read.
    """
    pauses = [*PAUSES_S]
    while True:
        try:
            return read()
        except Exception as error:
            system = error if isinstance(error, OSError) else _read_through(path)
            if system is None:  # the bytes are there now: did the failure pass?
                return read()
            if system.errno not in PASSING or not pauses:
                if system is error:
                    raise
                raise system from error
        time.sleep(pauses.pop(0))


def _read_through(path: Path) -> OSError | None:
    """What the system raises when a file's bytes are read; None where it has them all."""
    try:
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    except OSError as error:
        return error
    return None
