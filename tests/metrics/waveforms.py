"""Tracks that metrics are tried on: of noise, like music, and awkward ones."""

import numpy as np

from msdemucs.metrics import Stems

RATE = 2000
"""So low that museval's filters are quick."""


def stems(
    references: np.ndarray, estimates: np.ndarray | None = None, **fields: float | str
) -> Stems:
    """Stems of waveforms [S, A, N], of which the mixture is the sum."""
    names = ("drums", "bass", "other", "vocals")[: len(references)]
    made = references if estimates is None else estimates
    options = {"sample_rate": RATE, **fields}
    return Stems(names, references, made, references.sum(0), **options)  # type: ignore[arg-type]


def noise(n_sources: int = 2, channels: int = 2, *, seconds: float = 3.2) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 0.3 * rng.standard_normal((n_sources, channels, round(seconds * RATE)))


def music(n_sources: int = 2, channels: int = 2, *, seconds: float = 3.2) -> np.ndarray:
    """Tones that glide and fade, over a little hiss: spectra with deep gaps."""
    time = np.arange(round(seconds * RATE)) / RATE
    waveforms = 1e-4 * noise(n_sources, channels, seconds=seconds)
    for index, stem in enumerate(waveforms):
        pitch = 110 * (index + 1) * (1 + 0.1 * np.sin((index + 1) * time))
        tone = np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * np.sin(2 * time + index) ** 2
        stem += 0.3 * tone * np.linspace(1, 0.5, channels)[:, None]
    return waveforms


def leaky(references: np.ndarray, amount: float = 0.1) -> np.ndarray:
    """Estimates that lose something, hold something of the others, and hiss."""
    others = references.sum(0) - references
    hiss = np.random.default_rng(1).standard_normal(references.shape)
    return (1 - amount) * references + amount * others + 0.1 * amount * hiss
