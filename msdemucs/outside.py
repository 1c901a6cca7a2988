"""What comes from outside: names that become files or lines of text, and files of another kind."""

import hashlib
import os
import re
from pathlib import Path

MOST_BYTES = 200
"""Of a file's name: systems take 255, and a name is longer while its file is written."""

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
    return _UNSEEN.sub(lambda match: _escaped(ord(match[0])), text)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def stand_in(path: Path) -> str:
    """Return what a file is that stands in for what was to be fetched, and what to do; or ""."""
    try:
        with path.open("rb") as file:
            beginning = file.read(64).lstrip().lower()
    except OSError:
        return ""
    return next((said for start, said in _BEGINNINGS.items() if beginning.startswith(start)), "")
