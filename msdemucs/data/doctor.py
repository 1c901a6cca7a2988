"""Is a track sound? Levels, silences, and how far its mixture is from the sum of its stems."""

from dataclasses import dataclass

import numpy as np

from msdemucs.data.tracks import Track

BLOCK_S = 10
"""Seconds read at once, so that memory does not grow with a track."""


@dataclass(frozen=True)
class Finding:
    """What was measured on a whole track.

    Attributes:
        seconds: length.
        peak: the mixture's highest absolute value.
        clipped: samples of the mixture at full scale.
        sum_db: level of the mixture over that of (mixture − sum of stems); inf when equal.
        silent: the stems in which nothing sounds.
    """

    seconds: float
    peak: float
    clipped: int
    sum_db: float
    silent: tuple[str, ...]


def examine(track: Track) -> Finding:
    """Read a track once and measure it.

    Raises:
        DataError: a file that cannot be read.
    """
    energy = error = peak = 0.0
    clipped = 0
    sounds = np.zeros(len(track.stems), dtype=bool)
    block = round(BLOCK_S * track.sample_rate)
    for start in range(0, track.n_samples, block):
        n_samples = min(block, track.n_samples - start)
        mixture = track.read_mixture(start=start, n_samples=n_samples)
        stems = track.read_sources(track.stems, start=start, n_samples=n_samples)
        energy += float(np.square(mixture, dtype=np.float64).sum())
        error += float(np.square(mixture - stems.sum(0), dtype=np.float64).sum())
        peak = max(peak, float(np.abs(mixture).max()))
        # a 16-bit file has no higher positive value
        clipped += int((np.abs(mixture) >= 1 - 2**-15).sum())
        sounds |= stems.any(axis=(1, 2))
    silent = tuple(stem for stem, loud in zip(track.stems, sounds, strict=True) if not loud)
    ratio = energy / error if error else np.inf
    sum_db = float(10 * np.log10(ratio)) if ratio else -np.inf
    return Finding(track.n_samples / track.sample_rate, peak, clipped, sum_db, silent)
