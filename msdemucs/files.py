"""Files: written whole or not at all, kept to one process, named by what comes from outside.

And how kept data differ.
"""

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from msdemucs.errors import DataError, UsageError

MOST_BYTES = 200
"""Of a file's name: systems take 255, and a name is longer while its file is written."""

LOCK = ".lock"
"""In a folder at which a process is at work: who it is."""

CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "its name is too long",
    errno.EIO: "the disk or the network failed",
}
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)
"""What a file system answers that knows no locks."""


def cause_of(error: BaseException) -> str:
    """Returns why a file cannot be read or written, in words: "the disk is full".

    torch and safetensors wrap the system's error; it is looked for in what they chain or say.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno:
            return CAUSES.get(cause.errno) or os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    wrapped = re.search(r"os error (\d+)", str(error))
    if wrapped:
        return CAUSES.get(int(wrapped[1])) or os.strerror(int(wrapped[1])).lower()
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextmanager
def whole(path: Path, *, replaces: bool = True) -> Iterator[Path]:
    """Gives a hidden place to write a file or folder to, which then takes the path in one step.

    The path, whose parent is made, holds the old or the new whenever the process is killed; a
    folder that is replaced, which takes two steps, may be gone, and is never half there. What an
    exception leaves unfinished is removed. A link goes on pointing where it did; a device or a pipe
    is written to as it is.

    Args:
        path: of the file or folder.
        replaces: whether it takes the place of a folder that holds something.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() or path.is_dir()):
        yield path
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # processes of several containers may have one number
    name = os.fsdecode(os.fsencode(path.name)[:MOST_BYTES])
    hidden = f".{name}.{os.getpid()}-{secrets.token_hex(4)}"
    unfinished, replaced = path.with_name(f"{hidden}.partial"), path.with_name(f"{hidden}.replaced")
    try:
        yield unfinished
        for written in (*unfinished.rglob("*"), unfinished):
            flush(written)
        if replaces and unfinished.is_dir() and path.is_dir():
            path.rename(replaced)  # which no process takes for the folder, if it is killed here
        unfinished.replace(path)
        flush(path.parent)
    finally:
        for remains in (unfinished, replaced):
            with suppress(OSError):
                _remove(remains)


@contextmanager
def whole_folder(path: Path, *, replaces: bool = True) -> Iterator[Path]:
    """Gives an empty draft folder, which then takes the path: `whole` for a folder.

    Raises:
        OSError: it cannot be written.
    """
    with whole(path, replaces=replaces) as draft:
        draft.mkdir()
        yield draft


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with whole(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def differences(
    before: object, after: object, field: str = ""
) -> Iterator[tuple[str, object, object]]:
    """Yields each dotted field in which nested mappings differ, with both of its values."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            place = f"{field}.{name}" if field else str(name)
            yield from differences(before.get(name), after.get(name), place)
    elif before != after:
        yield field, before, after


def flush(path: Path) -> None:
    """Has the disk keep what was written to a file or folder."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextmanager
def sole_user(folder: Path, what: str) -> Iterator[None]:
    """Keeps a folder, which is made, to this process; a killed process lets go of it.

    On a file system without locks nothing is kept.

    Args:
        folder: where this process writes.
        what: it is used for: "a training".

    Raises:
        UsageError: another process is at work there; who, and since when.
        DataError: the folder cannot be written to.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = _take(path, folder)
    except OSError as error:
        raise DataError(f"cannot be written: {cause_of(error)}", path=folder) from None
    try:
        since = datetime.now().astimezone().strftime("%H:%M on %Y-%m-%d")
        user = {"pid": os.getpid(), "host": socket.gethostname(), "since": since, "for": what}
        os.truncate(number, 0)
        os.write(number, json.dumps(user).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(number)


def _take(path: Path, folder: Path) -> int:
    """Returns the open lock file, locked.

    Raises:
        UsageError: another process holds it.
        OSError: it cannot be made.
    """
    while True:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in NO_LOCKS:
                return number
            user = _user(os.read(number, 1000))
            os.close(number)
            if error.errno != errno.EWOULDBLOCK:
                raise
            raise UsageError(f"{folder} is in use{user}; wait for it, or take another") from None
        if os.fstat(number).st_nlink:
            return number
        os.close(number)  # whoever held it was done in between, and removed it


def _user(written: bytes) -> str:
    """Returns who works in a folder, as its lock file says."""
    try:
        user = json.loads(written)
        who = f"process {user['pid']} on {user['host']}"
        return f" for {user['for']} by {who} since {user['since']}"
    except (ValueError, KeyError, TypeError):  # it was begun at this very moment
        return " by another process"


def _remove(path: Path) -> None:
    """Removes a file or a folder that may not be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters other than tab and newline, marks that turn the direction of writing, and
bytes of file names that are not UTF-8, as Python holds them."""

_LFS = "is a pointer of git-lfs, not the file: fetch it by “git lfs pull”"
_PAGE = "is a web page, not the file: download it again, by the link to the file itself"

_BEGINNINGS = {
    b"version https://git-lfs": _LFS,
    b"<!doctype html": _PAGE,
    b"<html": _PAGE,
}
"""How files begin that stand in for what was to be fetched."""


def within(folder: Path, name: str, suffix: str = "") -> Path:
    """Return the path of a name's file in a folder; no name leads out of it or is too long for it.

    Args:
        folder: where the file, or folder, is to lie.
        name: any text: slashes become "_", and so do names that are dots alone.
        suffix: what the file's name ends in.
    """
    safe = re.sub(r"[/\\\x00]", "_", name)
    if not safe.strip(". "):
        safe = "_" * max(1, len(safe))
    encoded = os.fsencode(safe)
    if len(encoded) + len(suffix) > MOST_BYTES:
        digest = hashlib.sha256(encoded).hexdigest()[:8]
        kept = encoded[: MOST_BYTES - len(suffix) - len(digest) - 1]
        safe = f"{kept.decode(errors='ignore')}~{digest}"
    return folder / (safe + suffix)


def legible(text: str) -> str:
    r"""Return the text with what no reader sees, or no file holds, written as \x1b or \udce9."""

    def escaped(match: re.Match[str]) -> str:
        code = ord(match[0])
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    return _UNSEEN.sub(escaped, text)


def stand_in(path: Path) -> str:
    """Return what a file is that stands in for what was to be fetched, and what to do; or ""."""
    try:
        with path.open("rb") as file:
            beginning = file.read(64).lstrip().lower()
    except OSError:
        return ""
    return next((said for start, said in _BEGINNINGS.items() if beginning.startswith(start)), "")
