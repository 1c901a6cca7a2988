"""An audio file as a model takes it: checked, at its rate and channels, block by block."""

import math
import os
import re
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import soundfile
import torch
from jaxtyping import Float
from torch import Tensor
from torchaudio.functional import resample

from msdemucs.errors import DataError, UsageError
from msdemucs.files import stand_in

ZEROS = 6
"""Zero crossings of torchaudio's filter on each side."""

ROLLOFF = 0.99
"""Of its cut-off frequency."""

MOST_PHASES = 4096
"""Filters of the resampler above which a pair of rates is refused: it would fill the memory."""

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
        for promised, present in map(re.Match.groups, _PROMISE.finditer(self.extra_info)):
            share = 1 - int(present) / max(1, int(promised))
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


BLOCK = 2**18
"""Samples that are read at once: six seconds at 44.1 kHz."""


def check_audio(path: Path, *, sample_rate: int, audio_channels: int) -> None:
    """Raise DataError for a file whose header cannot be read or does not fit.

    Raises:
        DataError: it is not there, is no audio, is empty, does not say how long it is, or has
            channels or a rate that do not fit.
    """
    with AudioFile(path) as header:
        frames, lost = header.frames, "" if header.frames else header.shortfall(0)
    if not frames:
        raise DataError(lost or "is empty", path=path)
    if frames >= UNKNOWN_FRAMES:
        message = (
            "does not say how long it is, as where it was written to a pipe; write it anew: "
            + conversion(path, f".whole{path.suffix}")
        )
        raise DataError(message, path=path)
    if header.channels != audio_channels and max(header.channels, audio_channels) > 2:
        raise DataError(
            f"has {header.channels} channels, the model takes {audio_channels}; only mono and "
            "stereo are turned into each other",
            path=path,
        )
    rate = header.samplerate
    if max(sample_rate, rate) // math.gcd(rate, sample_rate) > MOST_PHASES:
        message = f"has {rate} Hz, which has no small ratio to {sample_rate} Hz; convert it first"
        raise DataError(message, path=path)


class AudioSource:
    """A file at a model's rate and channels, read once from beginning to end, full scale ±1.

    A mono file is given to both channels of a stereo model; a mono model gets the mean of two.

    Args:
        path: a file that `check_audio` has seen.
        sample_rate: the model's.
        audio_channels: the model's.
        mean: is subtracted from every sample.
        deviation: every sample is divided by it.
        kept: samples before the last start that may be asked for again.

    Raises:
        DataError: it cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        sample_rate: int,
        audio_channels: int,
        mean: float = 0.0,
        deviation: float = 1.0,
        kept: int = 0,
    ) -> None:
        self.path, self.audio_channels, self.kept = path, audio_channels, kept
        self.mean, self.deviation = mean, deviation
        self.file = AudioFile(path)
        self.rate, self.subtype = int(self.file.samplerate), str(self.file.subtype)
        self.resampler = BlockResampler(self.rate, sample_rate)
        ratio = self.resampler
        self.n_samples = math.ceil(self.file.frames * ratio.new / ratio.old)
        self._read = 0
        self._held, self._first = torch.zeros(audio_channels, 0), 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    @property
    def shortfall(self) -> str:
        """What is to be told, once all is read, of a file that is not as its header says; or ""."""
        return self.file.shortfall(self._read)

    def read(self, start: int, stop: int) -> Float[Tensor, "A N"]:
        """A stretch; what lies more than `kept` samples before its start is forgotten."""
        while self._first + self._held.shape[-1] < stop:
            self._held = torch.cat([self._held, self._next()], dim=-1)
        forgotten = max(0, start - self.kept - self._first)
        self._held = self._held[:, forgotten:]
        self._first += forgotten
        return self._held[:, start - self._first : stop - self._first]

    def blocks(self) -> Iterator[Float[Tensor, "A N"]]:
        """All of it, a block at a time."""
        for start in range(0, self.n_samples, BLOCK):
            yield self.read(start, min(start + BLOCK, self.n_samples))

    def _next(self) -> Float[Tensor, "A N"]:
        """The next samples of the file, at the model's rate; zeros after a header's false promise.

        Raises:
            DataError: damaged, or samples that are not finite.
        """
        try:
            samples = self.file.read(BLOCK, dtype="float32", always_2d=True)
        except (OSError, soundfile.SoundFileError) as error:
            raise DataError(explain(self.path, error), path=self.path) from None
        self._read += len(samples)
        if not len(samples):
            tail = self.resampler.finish()
            return torch.zeros(self.audio_channels, BLOCK) if tail is None else self._scaled(tail)
        waveform = torch.from_numpy(samples.T.copy())
        if not bool(waveform.isfinite().all()):
            raise DataError("has samples that are not finite", path=self.path)
        if len(waveform) != self.audio_channels:
            waveform = waveform.mean(0, keepdim=True).expand(self.audio_channels, -1)
        return self._scaled(self.resampler.push(waveform))

    def _scaled(self, waveform: Tensor) -> Tensor:
        return (waveform - self.mean) / self.deviation


def read_mixture(path: Path, *, sample_rate: int, audio_channels: int) -> Float[Tensor, "A N"]:
    """The whole file at the model's rate and channels, full scale ±1.

    Warns, by Python's `warnings`, of a file that is not what its header says.

    Raises:
        DataError: it cannot be read, has values that are not finite, or a rate that cannot be
            resampled.
    """
    check_audio(path, sample_rate=sample_rate, audio_channels=audio_channels)
    with AudioSource(path, sample_rate=sample_rate, audio_channels=audio_channels) as source:
        waveform = torch.cat(list(source.blocks()), dim=-1)
        if source.shortfall:
            warnings.warn(f"{path} {source.shortfall}", stacklevel=3)
        return waveform


class BlockResampler:
    """Takes blocks of a waveform and gives blocks at another rate.

    What comes out, joined, equals `torchaudio.functional.resample` of what went in, joined; blocks
    keep as much of their neighbours as the filter reaches.

    Args:
        old: rate of what goes in, in Hz.
        new: rate of what comes out.

    Raises:
        UsageError: rates without a small ratio.
    """

    def __init__(self, old: int, new: int) -> None:
        common = math.gcd(old, new)
        self.old, self.new = old // common, new // common
        if self.new > MOST_PHASES:
            raise UsageError(f"{old} Hz has no small ratio to {new} Hz")
        reach = math.ceil(ZEROS * self.old / (min(self.old, self.new) * ROLLOFF))
        # whole periods, so that every block begins with the same phase
        self.margin = self.old * (-(-reach // self.old) + 1)
        self._held: Tensor | None = None
        self._came = self._gave = 0

    def push(self, block: Float[Tensor, "*A N"]) -> Float[Tensor, "*A M"]:
        """What can be given after one more block; perhaps nothing."""
        if self.old == self.new:
            return block
        if self._held is None:  # silence before the beginning
            self._held = block.new_zeros((*block.shape[:-1], self.margin))
        self._held = torch.cat([self._held, block], dim=-1)
        self._came += block.shape[-1]
        ready = (self._held.shape[-1] - 2 * self.margin) // self.old * self.old
        return self._give(max(0, ready))

    def finish(self) -> Float[Tensor, "*A M"] | None:
        """The rest, after the last block; None where nothing is held."""
        if self._held is None:
            return None
        lacking = math.ceil(self._came * self.new / self.old) - self._gave
        missing = 2 * self.margin + self.old * math.ceil(lacking / self.new)
        silence = self._held.new_zeros((*self._held.shape[:-1], missing))
        self._held = torch.cat([self._held, silence], dim=-1)
        tail = self._give((self._held.shape[-1] - 2 * self.margin) // self.old * self.old)
        self._held = None
        return tail[..., :lacking]

    def _give(self, count: int) -> Tensor:
        """The next `count` samples that came, resampled; they are forgotten but for a margin."""
        assert self._held is not None
        if count == 0:
            return self._held[..., :0]
        within = self._held[..., : count + 2 * self.margin].contiguous()
        resampled = resample(
            within, self.old, self.new, lowpass_filter_width=ZEROS, rolloff=ROLLOFF
        )
        before = self.margin // self.old * self.new
        resampled = resampled[..., before : before + count // self.old * self.new]
        self._held = self._held[..., count:].clone()
        self._gave += resampled.shape[-1]
        return resampled
