"""An audio file as a model takes it: at its rate and channels, block by block."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import soundfile
import torch
from jaxtyping import Float
from torch import Tensor

from msdemucs.errors import DataError
from msdemucs.evaluate.audiofile import UNKNOWN_FRAMES, AudioFile, conversion, explain
from msdemucs.evaluate.resampling import MOST_PHASES, BlockResampler

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
            rest = self.resampler.finish()
            return torch.zeros(self.audio_channels, BLOCK) if rest is None else self._scaled(rest)
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
