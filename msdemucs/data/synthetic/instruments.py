"""Bass, pads and plucked chords: strings, FM and detuned waves, one sound of each a song."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from msdemucs.data.synthetic.score import Note
from msdemucs.data.synthetic.sound import (
    SAMPLE_RATE,
    Mono,
    Stereo,
    band,
    clock,
    decay,
    fade,
    harmonics,
    hertz,
    oscillate,
    place,
    room,
    samples,
    wavetable,
)

Voice = Callable[[int, int], Mono]
"""(MIDI number, samples) → one note."""


def play_bass(notes: Sequence[Note], n_samples: int, rng: np.random.Generator) -> Stereo:
    """The bass's stem: a plucked string or FM, low and near the middle."""
    plucked = rng.random() < 0.5
    voice = _string(rng, n_harmonics=14, ring_s=2.5) if plucked else _bass_fm(rng)
    stem = np.zeros((2, n_samples), dtype=np.float32)
    pan = float(rng.uniform(-0.12, 0.12))
    for note in notes:
        sound = fade(voice(note.pitch, samples(note.duration_s)), release_s=0.03)
        place(stem, sound, note.start_s, gain=note.velocity, pan=pan)
    stem *= np.float32(1.2)
    return np.tanh(stem, out=stem)


def play_other(
    pads: Sequence[Note], plucks: Sequence[Note], n_samples: int, rng: np.random.Generator
) -> Stereo:
    """The stem of all else: held chords, wide, and plucked ones to a side, in a room."""
    stem = np.zeros((2, n_samples), dtype=np.float32)
    _add_pads(stem, pads, rng)
    voice = _string(rng, n_harmonics=18, ring_s=1.6) if rng.random() < 0.5 else _keys_fm(rng)
    pan = float(rng.choice([-1, 1]) * rng.uniform(0.3, 0.75))
    for note in plucks:
        sound = fade(voice(note.pitch, samples(max(0.5, note.duration_s))), release_s=0.15)
        place(stem, sound, note.start_s, gain=0.5 * note.velocity, pan=pan)
    if pads or plucks:
        stem = room(stem, rng, seconds=float(rng.uniform(0.4, 0.9)), level=0.35)
    return stem


def _add_pads(stem: Stereo, notes: Sequence[Note], rng: np.random.Generator) -> None:
    """Two voices a note, a few cents apart, left and right."""
    order = harmonics(40)
    tilt, odd = rng.uniform(1.0, 1.8), rng.uniform(0.2, 1)
    amplitudes = np.where(order % 2, 1, odd) / order**tilt
    cents = float(rng.uniform(4, 11))
    beat_hz, depth = rng.uniform(0.2, 5.5), rng.uniform(0, 0.25)

    @cache
    def period(pitch: int) -> Mono:
        audible = order * hertz(pitch) < SAMPLE_RATE / 2.5
        return wavetable((amplitudes * audible).astype(np.float32))

    for note in notes:
        n = samples(note.duration_s + 0.2)
        swell = 1 - np.float32(depth) * (1 + np.cos(2 * np.pi * np.float32(beat_hz) * clock(n))) / 2
        for side in (-1, 1):
            frequency = hertz(note.pitch + side * cents / 100)
            wave = oscillate(period(note.pitch), frequency, n, phase=float(rng.random()))
            sound = fade(wave * swell, attack_s=0.12, release_s=0.2)
            place(stem, sound, note.start_s, gain=0.16 * note.velocity, pan=0.8 * side)


def _string(rng: np.random.Generator, *, n_harmonics: int, ring_s: float) -> Voice:
    """A plucked string: stretched harmonics, the high ones die first."""
    order = harmonics(n_harmonics)
    where, stiffness = rng.uniform(0.1, 0.28), 10 ** rng.uniform(-4.5, -3.8)
    strength = np.abs(np.sin(np.pi * order * where)) / order
    stretch = order * np.sqrt(1 + stiffness * order**2)
    rings = ring_s / (1 + 0.22 * (order - 1) ** 1.3)

    @cache
    def voice(pitch: int, n: int) -> Mono:
        time, sound = clock(n), np.zeros(n, dtype=np.float32)
        for ratio, ring, loud in zip(stretch, rings, strength, strict=True):
            frequency = ratio * hertz(pitch)
            if frequency < SAMPLE_RATE / 2.5:
                wave = np.sin(np.float32(2 * np.pi * frequency) * time)
                sound += np.float32(loud) * wave * decay(n, ring)
        return sound

    return voice


def _bass_fm(rng: np.random.Generator) -> Voice:
    """Two operators: the modulation decays, so a note begins bright and grows round."""
    ratio, index = float(rng.choice([1, 2, 3])), rng.uniform(1.2, 3)

    @cache
    def voice(pitch: int, n: int) -> Mono:
        turn = np.float32(2 * np.pi * hertz(pitch)) * clock(n)
        bend = np.float32(index) * decay(n, 0.7) * np.sin(np.float32(ratio) * turn)
        note: Mono = np.sin(turn + bend) * decay(n, 4)
        return note

    return voice


def _keys_fm(rng: np.random.Generator) -> Voice:
    """An electric piano: a warm pair of operators and a short, high tine."""
    index, tine = rng.uniform(0.5, 1.6), rng.uniform(0.1, 0.35)

    @cache
    def voice(pitch: int, n: int) -> Mono:
        turn = np.float32(2 * np.pi * hertz(pitch)) * clock(n)
        warm = np.sin(turn + np.float32(index) * decay(n, 1.2) * np.sin(turn))
        bell = np.sin(turn + np.float32(tine) * decay(n, 0.25) * np.sin(14 * turn))
        return band(0.6 * (warm + bell) * decay(n, 1.8), 40, 12000)

    return voice
