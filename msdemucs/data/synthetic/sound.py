"""The workshop of all instruments: oscillators, decays, filters, rooms, panning.

All is vectorised; loops run over notes, harmonics or taps, never over samples.
"""

import numpy as np
from jaxtyping import Float32, Int64

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


def wavetable(amplitudes: Float32[np.ndarray, " K"]) -> Mono:
    """One period of a sum of harmonics, at a peak of 1."""
    spectrum = np.zeros(TABLE // 2 + 1, dtype=np.complex128)
    spectrum[1 : len(amplitudes) + 1] = -1j * amplitudes
    period = np.fft.irfft(spectrum)
    table: Mono = (period / np.abs(period).max()).astype(np.float32)
    return table


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
