"""Is an audio file what its header says? Opens files, and compares what they hold with it."""

import os
import re
import shlex
from pathlib import Path

import soundfile

from msdemucs.errors import DataError
from msdemucs.files import stand_in

LEAST_SECONDS = 0.05
"""By which lengths must differ to be told: lengths of MP3 files may be estimates."""

UNKNOWN_FRAMES = 2**62
"""From here on, a number of samples is libsndfile's way to say that the header names none."""

UNKNOWN_BYTES = 2**31 - 2**16
"""From here on, a size is how writers to a pipe, who do not know it, fill the header's field."""

STREAMED = ("MP3", "OGG", "FLAC")
"""Formats whose sound goes on to the end of the file; others may have texts and pictures there."""

TAGS = (b"APETAGEX", b"LYRICSBEGIN")
"""How texts and pictures begin that follow the sound of an MP3 file."""

ID3V1_BYTES = 355
"""The most that titles of the oldest kind take, which begin with TAG, as a file behind may, too."""

CONVERTED = (".m4a", ".mp4", ".aac", ".wma", ".mka", ".mkv", ".webm", ".mov", ".ac3", ".ape", ".wv")
"""Endings of files that libsndfile does not read and ffmpeg does."""

_PROMISE = re.compile(r"(?:data|SSND|Data Size|[Rr]iff(?: size)?)\s*: (\d+) \(should be (\d+)\)")
"""A line of libsndfile's log: the bytes that a header promises, and those that are there."""


class AudioFile(soundfile.SoundFile):  # type: ignore[misc]  # the library is untyped
    """A file to be read by libsndfile, whatever its name: it need not be UTF-8.

    Raises:
        DataError: it cannot be opened: says why, and what to do.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._is_counted = path, True
        try:
            self._raw = path.open("rb")
            try:
                super().__init__(self._raw.fileno(), closefd=False)
            except soundfile.SoundFileError:  # some formats are known by the name's ending alone
                self._is_counted = False
                super().__init__(os.fsencode(path))
        except (OSError, soundfile.SoundFileError, ValueError) as error:
            raise DataError(explain(path, error), path=path) from None

    def close(self) -> None:
        """Close it; may be called again."""
        super().close()
        if "_raw" in self.__dict__:
            self._raw.close()

    def shortfall(self, frames: int) -> str:
        """Return what is to be told of a file that is not what its header says, or "".

        Args:
            frames: what was decoded, up to where the decoder ended.
        """
        lacking = (self.frames - frames) / self.samplerate
        if lacking >= LEAST_SECONDS:
            return f"ends {lacking:.2f} s before its header says; the rest was taken as silence"
        for promised, there in map(re.Match.groups, _PROMISE.finditer(self.extra_info)):
            share = 1 - int(there) / max(1, int(promised))
            if share > 0 and int(promised) < UNKNOWN_BYTES:
                lost = frames / self.samplerate * share / (1 - share) if share < 1 else 0.0
                return f"ends {lost:.2f} s before its header says; copy it again"
        if self.format == "OGG" and not self._has_last_page():
            return "is cut off: the last page of its stream is not there; copy it again"
        left = self._bytes_left()
        used = max(1, os.fstat(self._raw.fileno()).st_size - left)
        more = left / used * frames / self.samplerate
        if more >= LEAST_SECONDS:
            return (
                f"holds about {more:.1f} s more than was read: it is several files in one, or its "
                f"header is at fault; all of it: {conversion(self.path, '.whole.wav')}"
            )
        return ""

    def _bytes_left(self) -> int:
        """Return how many bytes of sound come after those that were decoded."""
        if self.format not in STREAMED or not self._is_counted:
            return 0
        position = os.lseek(self._raw.fileno(), 0, os.SEEK_CUR)
        left = os.fstat(self._raw.fileno()).st_size - position
        first = os.pread(self._raw.fileno(), 16, position)
        is_tag = first.startswith(TAGS) or (left <= ID3V1_BYTES and first.startswith(b"TAG"))
        return left if any(first) and not is_tag else 0  # some writers pad with zeros

    def _has_last_page(self) -> bool:
        """Return whether the last page of an Ogg file is there and says that it is the last."""
        size = os.fstat(self._raw.fileno()).st_size
        tail = os.pread(self._raw.fileno(), 2**17, max(0, size - 2**17))
        page = tail[tail.rfind(b"OggS") :]
        segments = page[27 : 27 + page[26]] if len(page) > 26 else b""
        return len(page) >= 27 + len(segments) + sum(segments) and bool(page[5] & 4)


def conversion(path: Path, suffix: str = ".wav") -> str:
    """Return the command that makes a sound file of one."""
    names = (shlex.quote(name) for name in (path.name, path.stem + suffix))
    return "ffmpeg -i " + " ".join(names)


def explain(path: Path, error: Exception) -> str:
    """Return why a file cannot be read as audio, and what to do."""
    if path.is_symlink() and not path.exists():
        return f"is a link to {path.readlink()}, which is not there"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    if said := stand_in(path):
        return said
    reason = getattr(error, "error_string", str(error)).removeprefix("Error : ")
    advice = "; copy it again"
    if path.suffix.lower() in CONVERTED:
        advice = f"; convert it: {conversion(path)}"
    return f"cannot be read as audio: {reason.rstrip('.')}{advice}"
