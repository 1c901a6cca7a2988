"""One track, whatever its files look like: any stretch of its stems or mixture, and its level."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float, Float32
from torch import Tensor

from msdemucs.errors import DataError
from msdemucs.files import legible

STEMS = ("drums", "bass", "other", "vocals")
"""The stems of a MUSDB track, in the field's order."""

MIXTURE = "mixture"

ACCOMPANIMENT = "accompaniment"
"""A derived source: every stem but the vocals."""

SPLITS = ("train", "validation", "test")
"""Trained on; what steers; read once for what was chosen."""


LOUDEST = 1e6
"""Of a sample, full scale being 1: what is more than 120 dB above it is damage and no sound."""


STEM_MP4 = ".stem.mp4"
"""How a file of MUSDB18 ends."""

OnError = Callable[[DataError], None]
"""Is told of a track that cannot be used, which is then left out."""


class Recording(Protocol):
    """The file or folder that holds a track."""

    @property
    def path(self) -> Path:
        """The file or folder."""

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems in it; their sum is the track."""

    @property
    def sample_rate(self) -> int:
        """In Hz."""

    @property
    def n_samples(self) -> int:
        """The length of every stem and of the mixture."""

    @property
    def audio_channels(self) -> int:
        """1 or 2."""

    def read(
        self, names: Sequence[str], *, start: int, n_samples: int
    ) -> Float32[np.ndarray, "S A N"]:
        """Stems (or the mixture) by name, full scale ±1; the stretch lies inside the track.

        Raises:
            DataError: a file that is gone, damaged or shorter than it was.
        """


@dataclass(frozen=True)
class Track:
    """A song with its stems; nothing is read before it is asked for.

    Attributes:
        name: "ARTIST - TITLE".
        group: the data set that it belongs to, by the name of the root folder.
        split: of SPLITS, by its folder; held out tracks are of "train".
        recording: the files.
    """

    name: str
    group: str
    split: str
    recording: Recording

    @property
    def sample_rate(self) -> int:
        """In Hz."""
        return self.recording.sample_rate

    @property
    def n_samples(self) -> int:
        """Length."""
        return self.recording.n_samples

    @property
    def audio_channels(self) -> int:
        """1 or 2."""
        return self.recording.audio_channels

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems whose sum is the track."""
        return self.recording.stems

    def parts(self, source: str) -> tuple[str, ...]:
        """The stems whose sum is a source: itself, or all but the vocals for "accompaniment".

        Raises:
            DataError: the track has no such stem.
        """
        if source in self.stems:
            return (source,)
        if source == ACCOMPANIMENT and "vocals" in self.stems:
            return tuple(stem for stem in self.stems if stem != "vocals")
        raise DataError(
            f"has no source “{source}”; it has {', '.join(self.stems)}",
            path=self.recording.path,
            track=self.name,
        )

    def read_sources(
        self, sources: Sequence[str], *, start: int = 0, n_samples: int | None = None
    ) -> Float32[np.ndarray, "S A N"]:
        """The waveforms of some sources.

        Args:
            sources: names of stems, or "accompaniment".
            start: the first sample.
            n_samples: how many; None reads to the end.

        Raises:
            DataError: a source or a stretch that the track does not have, a file at fault, or
                samples that are not finite or beyond LOUDEST.
        """
        parts = [self.parts(source) for source in sources]
        names = list(dict.fromkeys(name for group in parts for name in group))
        stems = self._read(names, start, n_samples)
        return np.stack([stems[[names.index(name) for name in group]].sum(0) for group in parts])

    def read_mixture(
        self, *, start: int = 0, n_samples: int | None = None
    ) -> Float32[np.ndarray, "A N"]:
        """The mixture as its file has it; arguments as in read_sources.

        Raises:
            DataError: a stretch that the track does not have, or a file at fault.
        """
        waveform: Float32[np.ndarray, "A N"] = self._read([MIXTURE], start, n_samples)[0]
        return waveform

    def _read(
        self, names: Sequence[str], start: int, n_samples: int | None
    ) -> Float32[np.ndarray, "S A N"]:
        stop = self.n_samples if n_samples is None else start + n_samples
        if not 0 <= start <= stop <= self.n_samples:
            raise DataError(
                f"samples {start} to {stop} were asked for; it has {self.n_samples}",
                path=self.recording.path,
                track=self.name,
            )
        waveforms = self.recording.read(names, start=start, n_samples=stop - start)
        lowest, highest = (
            waveforms.min(initial=0),
            waveforms.max(initial=0),
        )  # no copy of it; NaN stays NaN
        if not (lowest >= -LOUDEST and highest <= LOUDEST):
            within = np.abs(waveforms) <= LOUDEST
            bad = next(n for n, is_within in zip(names, within, strict=True) if not is_within.all())
            at = int(np.argmax(~within.all(axis=(0, 1))))
            is_finite = np.isfinite(waveforms[names.index(bad)]).all()
            what = f"beyond {LOUDEST:,.0f} times full scale" if is_finite else "that are not finite"
            raise DataError(
                f"“{bad}” has samples {what}, the first at "
                f"{(start + at) / self.sample_rate:.2f} s; mend the file or remove the track",
                path=self.recording.path,
                track=self.name,
            )
        return waveforms


def track_name(path: Path) -> str:
    """The name of a track's file or folder without `.stem.mp4`, as text that any table holds."""
    return legible(path.name.removesuffix(STEM_MP4))


EPSILON = 1e-8


def statistics(blocks: Iterable[Float[Tensor, "A N"]]) -> tuple[float, float]:
    """Mean and deviation of the mono mixture, as Demucs normalises each track.

    Source: shared/systems/base.md, section 8.1.
    """
    count, total, squares = 0, 0.0, 0.0
    for block in blocks:
        mono = block.mean(0).double()
        count += mono.numel()
        total += float(mono.sum())
        squares += float(mono.square().sum())
    mean = total / count
    variance = max(0.0, squares - count * mean**2) / max(1, count - 1)
    return mean, math.sqrt(variance) + EPSILON
