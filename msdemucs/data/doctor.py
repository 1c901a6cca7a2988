"""Is a track sound? Levels, silences, and how far its mixture is from the sum of its stems."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from msdemucs.data.folders import StemFolder
from msdemucs.data.tracks import Track
from msdemucs.errors import DataError
from msdemucs.units import format_db

Waveform = Float32[np.ndarray, "A N"]
Stems = Float32[np.ndarray, "S A N"]

BLOCK_S = 10
"""Seconds read at once, so that memory does not grow with a track."""

FAR_DB = 20.0
"""A mixture less than this over its difference from the sum of stems is of something else."""

TOLERANCE = 0.05
"""Of the weight 1 of a part of a sum."""

PROBES = (0.25, 0.5, 0.75)
"""Where in a track a second is compared, before training."""


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
    energies = np.zeros(2)
    peak, clipped = 0.0, 0
    sounds = np.zeros(len(track.stems), dtype=bool)
    block = round(BLOCK_S * track.sample_rate)
    for start in range(0, track.n_samples, block):
        n_samples = min(block, track.n_samples - start)
        mixture, stems = _stretch(track, start, n_samples)
        energies += _energies(mixture, stems)
        peak = max(peak, float(np.abs(mixture).max()))
        # a 16-bit file has no higher positive value
        clipped += int((np.abs(mixture) >= 1 - 2**-15).sum())
        sounds |= stems.any(axis=(1, 2))
    silent = tuple(stem for stem, loud in zip(track.stems, sounds, strict=True) if not loud)
    return Finding(track.n_samples / track.sample_rate, peak, clipped, _sum_db(energies), silent)


def _stretch(track: Track, start: int, n_samples: int) -> tuple[Waveform, Stems]:
    mixture = track.read_mixture(start=start, n_samples=n_samples)
    return mixture, track.read_sources(track.stems, start=start, n_samples=n_samples)


def _energies(mixture: Waveform, stems: Stems) -> Float64[np.ndarray, "2"]:
    """Of the mixture and of its difference from the sum of stems."""
    difference = mixture - stems.sum(0)
    return np.array([np.square(part, dtype=np.float64).sum() for part in (mixture, difference)])


def _sum_db(energies: Float64[np.ndarray, "2"]) -> float:
    energy, error = energies
    ratio = energy / error if error else np.inf
    return float(10 * np.log10(ratio)) if ratio else -np.inf


def far_sum(track: Track, sum_db: float) -> DataError | None:
    """What is wrong with a folder whose stems do not add up to its mixture; None where they do.

    A `.stem.mp4` file is never at fault: its mixture may be mastered, its streams are given.
    """
    if not isinstance(track.recording, StemFolder) or sum_db >= FAR_DB:
        return None
    beside = ", ".join(track.recording.unused)
    return DataError(
        f"the sum of {', '.join(track.stems)} is not the mixture, which is {format_db(sum_db)} "
        f"over the difference (under {FAR_DB:g} dB); a stem may be missing, or of another take or "
        f"loudness{f', or {beside} belong to the track' if beside else ''}: mend the files, or "
        "remove the track",
        path=track.recording.path,
        track=track.name,
    )


def warn_of_far_sums(tracks: Sequence[Track], say: Callable[[str], None]) -> None:
    """Say which tracks' stems do not add up to their mixtures, by three seconds of each.

    What cannot be read is left for whoever reads it next.
    """
    far = []
    for track in tracks:
        if isinstance(track.recording, StemFolder):
            with suppress(DataError):
                far.append(far_sum(track, probed_sum_db(track)))
    faults = [fault for fault in far if fault]
    if faults:
        others = len(faults) - 1
        more = f", and {others} more track{'' if others == 1 else 's'}" if others else ""
        say(
            f"warning: {faults[0]}{more} (msdemucs data check lists all); they are used as they are"
        )


def missing_parts(recording: StemFolder) -> set[str]:
    """The unused files that the mixture holds beside the stems, as least squares find them.

    Three seconds are compared. A part of a sum has the weight 1 in it; what repeats the stems, or
    is of another take, has not, and nothing is missing where the stems add up already.
    """
    n_known = len(recording.stems)
    whole = recording.taking({*recording.unused})
    track = Track(recording.path.name, "", "", whole)
    try:
        parts = [_stretch(track, *probe) for probe in _probes(track)]
    except DataError:  # whoever reads the track next will say so
        return set()
    mixture = np.concatenate([mixture.ravel() for mixture, _ in parts]).astype(np.float64)
    stems = np.concatenate([stems.reshape(len(stems), -1) for _, stems in parts], axis=1)
    missing = mixture - stems[:n_known].sum(0, dtype=np.float64)
    weights, *_ = np.linalg.lstsq(stems[n_known:].T.astype(np.float64), missing)
    is_part = np.abs(weights - 1) < TOLERANCE
    left = missing - stems[n_known:][is_part].sum(0, dtype=np.float64)
    before, after = (
        _sum_db(np.array([mixture @ mixture, error @ error])) for error in (missing, left)
    )
    if not before < FAR_DB <= after:
        return set()
    return {name for name, is_in in zip(whole.stems[n_known:], is_part, strict=True) if is_in}


def probed_sum_db(track: Track) -> float:
    """The level of the mixture over its difference from the sum, in three seconds of a track.

    Raises:
        DataError: a file that cannot be read.
    """
    energies = [_energies(*_stretch(track, *probe)) for probe in _probes(track)]
    return _sum_db(np.sum(energies, axis=0))


def _probes(track: Track) -> list[tuple[int, int]]:
    """First sample and length of the stretches that are compared."""
    n_samples = min(track.sample_rate, track.n_samples)
    return [(round(place * (track.n_samples - n_samples)), n_samples) for place in PROBES]
