"""How drums, bass, pads and plucked chords sound: one sound of each a song."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from jaxtyping import Float32, Int64

from msdemucs.data.synthetic.score import Hit, Note

SAMPLE_RATE = 44100

TABLE = 4096
"""Samples of one period in a wavetable."""

Mono = Float32[np.ndarray, " N"]
Stereo = Float32[np.ndarray, "2 N"]


def hertz(pitch: float) -> float:
    """Frequency of a MIDI number."""
    return float(440 * 2 ** ((pitch - 69) / 12))


def samples(seconds: float) -> int:
    """Seconds as a number of samples, at least one."""
    return max(1, round(seconds * SAMPLE_RATE))


def clock(n_samples: int) -> Mono:
    """Time in seconds at each sample."""
    return np.arange(n_samples, dtype=np.float32) / np.float32(SAMPLE_RATE)


def decay(n_samples: int, seconds: float) -> Mono:
    """An envelope that falls by 60 dB in the given time."""
    envelope: Mono = np.exp(np.float32(-6.908 / seconds) * clock(n_samples))
    return envelope


def fade(sound: Mono, *, attack_s: float = 0.002, release_s: float = 0.01) -> Mono:
    """The sound with raised-cosine ends, so that it does not click."""
    shaped = sound.copy()
    for seconds, ramp in ((attack_s, slice(None)), (release_s, slice(None, None, -1))):
        n = min(samples(seconds), len(sound))
        shaped[ramp][:n] *= (0.5 - 0.5 * np.cos(np.pi * np.arange(n) / n)).astype(np.float32)
    return shaped


def oscillate(table: Mono, frequency: float, n_samples: int, *, phase: float = 0) -> Mono:
    """A wavetable at a steady pitch."""
    # a phase in 32 bits wraps by itself, and its top bits are the place in the table
    step = np.uint32(round(frequency / SAMPLE_RATE * 2**32) % 2**32)
    start = np.uint32(round(phase * 2**32) % 2**32)
    phases = np.arange(n_samples, dtype=np.uint32) * step + start
    wave: Mono = table[phases >> np.uint32(20)]
    return wave


def band(sound: Mono, low: float, high: float) -> Mono:
    """The sound between two frequencies in Hz, with edges of about half an octave."""
    n = 1 << (len(sound) - 1).bit_length()  # other lengths can be ten times slower
    frequency = np.fft.rfftfreq(n, 1 / SAMPLE_RATE).clip(1)
    gain = 1 / (1 + (low / frequency) ** 6) / (1 + (frequency / high) ** 6)
    filtered = np.fft.irfft(np.fft.rfft(sound, n) * np.sqrt(gain), n)
    return filtered[: len(sound)].astype(np.float32)


def noise(rng: np.random.Generator, n_samples: int) -> Mono:
    """White noise of unit variance."""
    return rng.standard_normal(n_samples, dtype=np.float32)


def place(track: Stereo, sound: Mono, start_s: float, *, gain: float, pan: float = 0) -> None:
    """Add a sound to a track, in place; what reaches over the end is lost.

    Args:
        track: stereo buffer.
        sound: mono.
        start_s: when, not negative.
        gain: linear.
        pan: −1 left to 1 right, at constant power.
    """
    start = round(start_s * SAMPLE_RATE)
    sound = sound[: max(0, track.shape[1] - start)]
    angle = (pan + 1) * np.pi / 4
    for channel, share in enumerate((np.cos(angle), np.sin(angle))):
        track[channel, start : start + len(sound)] += np.float32(gain * share) * sound


def room(dry: Stereo, rng: np.random.Generator, *, seconds: float, level: float) -> Stereo:
    """The sound with a room around it: noise that decays, different left and right."""
    n_taps = 16384
    shape = decay(n_taps, seconds) * np.minimum(1, clock(n_taps) / np.float32(0.004))
    wet = np.empty_like(dry)
    for channel in range(2):
        impulse = band(noise(rng, n_taps), 250, 6000) * shape
        impulse *= level / np.sqrt(np.square(impulse).sum())
        wet[channel] = convolve(dry[channel], impulse)
    wet += dry
    return wet


def convolve(sound: Mono, impulse: Mono) -> Mono:
    """The first len(sound) samples of a convolution, in blocks as long as the impulse."""
    n = len(impulse)
    n_blocks = -(-len(sound) // n)
    padded = np.zeros(n_blocks * n, dtype=np.float32)
    padded[: len(sound)] = sound
    spectra = np.fft.rfft(padded.reshape(n_blocks, n), 2 * n)
    blocks = np.fft.irfft(spectra * np.fft.rfft(impulse, 2 * n), 2 * n)
    blocks[1:, :n] += blocks[:-1, n:]
    return blocks[:, :n].reshape(-1)[: len(sound)].astype(np.float32)


def glide(points: Float32[np.ndarray, " M"], hop: int, n_samples: int) -> Mono:
    """Control points, one every hop samples, joined by straight lines."""
    ramp = np.arange(hop, dtype=np.float32) / np.float32(hop)
    lines: Float32[np.ndarray, "M hop"] = (
        points[:-1, None] + (points[1:] - points[:-1])[:, None] * ramp
    )
    return lines.reshape(-1)[:n_samples]


def running_phase(frequency: Mono) -> Float32[np.ndarray, " N"]:
    """The phase in radians of an oscillator whose frequency moves, kept within one turn."""
    turns = np.cumsum(frequency, dtype=np.float64) / SAMPLE_RATE
    return (2 * np.pi * (turns % 1)).astype(np.float32)


def harmonics(count: int) -> Int64[np.ndarray, " K"]:
    """1 to count."""
    return np.arange(1, count + 1)


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
        loud = (amplitudes * audible).astype(np.float32)
        spectrum = np.zeros(TABLE // 2 + 1, dtype=np.complex128)
        spectrum[1 : len(loud) + 1] = -1j * loud
        wave = np.fft.irfft(spectrum)
        table: Mono = (wave / np.abs(wave).max()).astype(np.float32)  # a peak of 1
        return table

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


VARIANTS = 3
"""Recordings of each drum; strokes take turns, so that none repeats its noise at once."""

GAINS = {
    "kick": 1.0,
    "snare": 0.8,
    "hat": 0.3,
    "open hat": 0.3,
    "crash": 0.4,
    "high tom": 0.7,
    "low tom": 0.8,
}

METAL = (1.0, 1.342, 1.2312, 1.6532, 1.9523, 2.1523)
"""Ratios of a cymbal's partials: far from harmonic."""


def play_drums(hits: Sequence[Hit], n_samples: int, rng: np.random.Generator) -> Stereo:
    """The drums' stem."""
    kit = _kit(rng)
    side = float(rng.choice([-1, 1]))
    pans = {"hat": 0.45, "open hat": 0.45, "crash": -0.5, "high tom": 0.3, "low tom": -0.4}
    stem = np.zeros((2, n_samples), dtype=np.float32)
    for count, hit in enumerate(hits):
        sound = kit[hit.drum][count % VARIANTS]
        gain = GAINS[hit.drum] * hit.velocity
        place(stem, sound, hit.start_s, gain=gain, pan=side * pans.get(hit.drum, 0))
    if hits:
        stem = room(stem, rng, seconds=float(rng.uniform(0.25, 0.6)), level=0.25)
    return np.tanh(stem)


def _kit(rng: np.random.Generator) -> dict[str, list[Mono]]:
    """Each drum's recordings; the drawn tunings are shared by its variants."""
    kick_hz, snare_hz, tom_hz = rng.uniform(42, 58), rng.uniform(160, 220), rng.uniform(80, 110)
    metal_hz, tail = rng.uniform(2800, 4200), rng.uniform(0.25, 0.5)
    makers: dict[str, Callable[[], Mono]] = {
        "kick": lambda: _skin(rng, kick_hz, sweep=5.0, seconds=tail, click=0.15),
        "snare": lambda: _snare(rng, snare_hz, 0.7 * tail),
        "hat": lambda: _cymbal(rng, metal_hz, 0.09),
        "open hat": lambda: _cymbal(rng, metal_hz, 0.5),
        "crash": lambda: _cymbal(rng, 0.6 * metal_hz, 2.2),
        "high tom": lambda: _skin(rng, 1.5 * tom_hz, sweep=0.6, seconds=0.45, click=0.1),
        "low tom": lambda: _skin(rng, tom_hz, sweep=0.6, seconds=0.6, click=0.1),
    }
    return {drum: [fade(make()) for _ in range(VARIANTS)] for drum, make in makers.items()}


def _skin(
    rng: np.random.Generator, hz: float, *, sweep: float, seconds: float, click: float
) -> Mono:
    """A tone whose pitch falls to hz from (1 + sweep) times as high, and the beater's click."""
    n = samples(seconds)
    frequency = np.float32(hz) * (1 + np.float32(sweep) * decay(n, 0.12))
    beater = band(noise(rng, n), 1500, 7000) * decay(n, 0.02)
    body: Mono = np.sin(running_phase(frequency)) * decay(n, seconds) + np.float32(click) * beater
    return body


def _snare(rng: np.random.Generator, hz: float, seconds: float) -> Mono:
    """Two modes of the skin and the wires' noise."""
    n = samples(seconds)
    wires = band(noise(rng, n), 1200, 10000) * decay(n, seconds)
    time = clock(n)
    skin = np.sin(2 * np.pi * hz * time) + 0.6 * np.sin(2 * np.pi * 1.78 * hz * time)
    hit: Mono = (0.45 * skin * decay(n, 0.12) + 0.5 * wires).astype(np.float32)
    return hit


def _cymbal(rng: np.random.Generator, hz: float, seconds: float) -> Mono:
    """High noise over square partials that are far from harmonic."""
    n = samples(seconds)
    time = clock(n)
    plate = np.zeros(n, dtype=np.float32)
    for ratio in METAL:
        plate += np.sign(np.sin(2 * np.pi * hz * ratio * rng.uniform(0.99, 1.01) * time))
    ring = band(0.25 * plate + noise(rng, n), 1.4 * hz, 15000)
    ring *= decay(n, seconds)
    return ring
