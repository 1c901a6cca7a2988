"""A drum kit: noise bursts and decaying tones, tuned once a song."""

from collections.abc import Callable, Sequence

import numpy as np

from msdemucs.data.synthetic.score import Hit
from msdemucs.data.synthetic.sound import (
    Mono,
    Stereo,
    band,
    clock,
    decay,
    fade,
    noise,
    place,
    room,
    running_phase,
    samples,
)

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
