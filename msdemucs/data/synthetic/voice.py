"""A singer: harmonics weighted by vowels' formants, with vibrato, glides, consonants, breaths."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex64, Float64

from msdemucs.data.synthetic.instruments import (
    SAMPLE_RATE,
    Mono,
    Stereo,
    band,
    fade,
    glide,
    hertz,
    noise,
    place,
    room,
    running_phase,
    samples,
)
from msdemucs.data.synthetic.score import Note, Phrase

FORMANTS_HZ = {
    "a": (730, 1090, 2440, 3500, 4500),
    "e": (530, 1840, 2480, 3500, 4500),
    "i": (270, 2290, 3010, 3600, 4500),
    "o": (570, 840, 2410, 3400, 4500),
    "u": (300, 870, 2240, 3300, 4500),
}
"""Resonances of the vocal tract; the first three after Peterson and Barney 1952, table II."""

BANDWIDTHS_HZ = (70.0, 90.0, 120.0, 160.0, 220.0)

HOP = 128
"""Samples between control points of pitch, loudness and formants."""

HIGHEST_HZ = 9000
"""No harmonic above it is sung."""

BREATH_S = 0.38
"""How long a breath takes before a phrase."""


def sing(phrases: Sequence[Phrase], n_samples: int, rng: np.random.Generator) -> Stereo:
    """The vocals' stem: a lead in the middle, a second voice to a side, in a room."""
    singer = _Singer(rng)
    side = float(rng.choice([-0.5, 0.5]))
    stem = np.zeros((2, n_samples), dtype=np.float32)
    for phrase in phrases:
        start = phrase.notes[0].start_s
        pan = side if phrase.is_harmony else 0.0
        place(stem, singer.phrase(phrase.notes), start, gain=1, pan=pan)
        if not phrase.is_harmony and start > BREATH_S:
            place(stem, singer.breath(), start - BREATH_S - 0.03, gain=1, pan=pan)
    if phrases:
        stem = room(stem, rng, seconds=float(rng.uniform(0.5, 0.9)), level=0.22)
    return stem


class _Singer:
    """One voice: the size of its tract, its vibrato and its breathiness, drawn once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.tract = rng.uniform(1.0, 1.18)
        self.vibrato_hz, self.vibrato_cents = rng.uniform(4.8, 6.2), rng.uniform(20, 55)
        self.breathiness = rng.uniform(0.004, 0.02)
        self.tilt = rng.uniform(0.6, 1.0)

    def phrase(self, notes: Sequence[Note]) -> Mono:
        """Notes that share a breath, joined by glides."""
        n = samples(notes[-1].start_s + notes[-1].duration_s - notes[0].start_s)
        n_points = -(-n // HOP) + 1
        time = np.arange(n_points) * HOP / SAMPLE_RATE + notes[0].start_s
        which = np.searchsorted([note.start_s for note in notes], time, side="right") - 1
        which = which.clip(0)
        pitch_hz = hertz(0) * 2 ** (self._pitch(notes, which, time) / 12)
        tract = self.tract * np.array([FORMANTS_HZ[note.vowel] for note in notes])[which]
        tract = np.stack([_smooth(formant, 0.06) for formant in tract.T])
        loud = self._loudness(notes, which, time).astype(np.float32)
        sung = self._voiced(pitch_hz, tract, n)
        sung += np.float32(self.breathiness) * band(
            noise(self.rng, n), 1500, 9000
        )  # air that leaks
        sung *= glide(loud, HOP, n)
        self._add_consonants(sung, notes)
        return fade(sung, attack_s=0.01, release_s=0.05)

    def breath(self) -> Mono:
        """Air drawn in: noise through an open tract, rising and ending soon."""
        n = samples(BREATH_S)
        place_in = np.linspace(0, 1, n, dtype=np.float32)
        shape = np.sin(np.pi * place_in**1.6) ** 2
        air: Mono = np.float32(0.03) * band(noise(self.rng, n), 900, 6500) * shape
        return air

    def _pitch(
        self, notes: Sequence[Note], which: np.ndarray, time: Float64[np.ndarray, " M"]
    ) -> Float64[np.ndarray, " M"]:
        """MIDI numbers: glides between notes, vibrato that grows in a note, a little drift."""
        steady = _smooth(np.array([float(note.pitch) for note in notes])[which], 0.07)
        since = time - np.array([note.start_s for note in notes])[which]
        depth = self.vibrato_cents / 100 * np.clip((since - 0.15) / 0.3, 0, 1)
        drift = _smooth(self.rng.standard_normal(len(time)), 0.2)
        sung: Float64[np.ndarray, " M"]
        sung = steady + depth * np.sin(2 * np.pi * self.vibrato_hz * time) + 0.3 * drift
        return sung

    def _loudness(
        self, notes: Sequence[Note], which: np.ndarray, time: Float64[np.ndarray, " M"]
    ) -> Float64[np.ndarray, " M"]:
        """Velocity, a dip where a syllable begins, a fall to its end."""
        starts, lengths = np.array([(note.start_s, note.duration_s) for note in notes]).T
        place_in = ((time - starts[which]) / lengths[which]).clip(0, 1)
        velocity = np.array([note.velocity for note in notes])[which]
        onset = 1 - 0.75 * np.exp(-(time - starts[which]) / 0.025)
        return _smooth(velocity * onset * (1 - 0.45 * place_in**3), 0.02)

    def _voiced(
        self,
        pitch_hz: Float64[np.ndarray, " M"],
        tract: Float64[np.ndarray, "5 M"],
        n_samples: int,
    ) -> Mono:
        """The sum of harmonics; each turns the last one's phasor by one more period."""
        frequency = glide(pitch_hz.astype(np.float32), HOP, n_samples)
        turn: Complex64[np.ndarray, " N"] = np.exp(1j * running_phase(frequency))
        phasor, sung = turn.copy(), np.zeros(n_samples, dtype=np.float32)
        for order in range(1, int(HIGHEST_HZ / pitch_hz.min()) + 1):
            gain = _resonance(order * pitch_hz, tract) / order**self.tilt
            gain = np.where(order * pitch_hz < HIGHEST_HZ, gain, 0).astype(np.float32)
            sung += glide(gain, HOP, n_samples) * phasor.imag
            phasor *= turn
        return np.float32(0.12) * sung

    def _add_consonants(self, sung: Mono, notes: Sequence[Note]) -> None:
        """Short bursts of noise where some syllables begin, in place."""
        for note in notes:
            if self.rng.random() < 0.45:
                continue
            low = float(self.rng.choice([1500, 2500, 4500]))
            n = samples(float(self.rng.uniform(0.03, 0.09)))
            burst = fade(band(noise(self.rng, n), low, 3 * low), attack_s=0.005, release_s=0.02)
            start = samples(note.start_s - notes[0].start_s) - 1
            end = min(start + n, len(sung))
            sung[start:end] += np.float32(0.06 * note.velocity) * burst[: end - start]


def _resonance(
    frequency: Float64[np.ndarray, " M"], tract: Float64[np.ndarray, "5 M"]
) -> Float64[np.ndarray, " M"]:
    """Gain of second-order resonators in a row, each 1 at 0 Hz."""
    gain = np.ones_like(frequency)
    for formant, width in zip(tract, BANDWIDTHS_HZ, strict=True):
        square = formant**2
        gain *= square / np.sqrt((square - frequency**2) ** 2 + (width * frequency) ** 2)
    return gain


def _smooth(points: Float64[np.ndarray, " M"], seconds: float) -> Float64[np.ndarray, " M"]:
    """Control points averaged over a window; the ends are held."""
    width = max(1, round(seconds * SAMPLE_RATE / HOP)) | 1
    window = np.hanning(width + 2)[1:-1]
    held = np.pad(points, width // 2, mode="edge")
    return np.convolve(held, window / window.sum(), mode="valid")
