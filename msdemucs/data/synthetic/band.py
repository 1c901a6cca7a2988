"""A song from its seed: form, score, four stems, their levels."""

from dataclasses import dataclass

import numpy as np

from msdemucs.data.synthetic.drums import play_drums
from msdemucs.data.synthetic.form import draw_form
from msdemucs.data.synthetic.instruments import play_bass, play_other
from msdemucs.data.synthetic.score import Score, compose
from msdemucs.data.synthetic.sound import Stereo, samples
from msdemucs.data.synthetic.voice import sing

LEVELS_DB = {"drums": -17.0, "bass": -18.5, "other": -20.5, "vocals": -17.5}
"""Level of a stem where it sounds, under full scale, before the song's own balance."""

BALANCE_DB = 2.0
"""Standard deviation of a stem's level from song to song."""

FRAME = 4096
"""Samples over which "where it sounds" is decided."""

HEADROOM = 0.89
"""The mixture's highest value, −1 dB of full scale."""

ARTISTS = (
    ("Amber", "Brass", "Copper", "Distant", "Electric", "Faded", "Golden", "Hollow", "Paper"),
    ("Arcade", "Birds", "Canyon", "Engine", "Harbour", "Lanterns", "Orchard", "Parade", "Tides"),
)
TITLES = (
    ("Almost", "Before the", "Carry the", "Over the", "Slow", "Under", "Waiting for", "Without"),
    ("Avenue", "Embers", "Gravity", "Horizon", "Morning", "Rain", "Satellite", "Winter"),
)


@dataclass(frozen=True)
class Song:
    """A finished song.

    Attributes:
        name: "ARTIST - TITLE".
        score: what was played.
        stems: full scale ±1; their sum keeps 1 dB of headroom.
    """

    name: str
    score: Score
    stems: dict[str, Stereo]


def make_song(seed: int, index: int, seconds: float) -> Song:
    """One song of a collection; the same for the same arguments.

    Args:
        seed: of the collection.
        index: of the song in it, from 0.
        seconds: length.
    """
    streams = np.random.default_rng([seed, index]).spawn(7)
    score = compose(draw_form(streams[0], seconds), streams[1])
    n = samples(seconds)
    stems = {
        "drums": play_drums(score.drums, n, streams[2]),
        "bass": play_bass(score.bass, n, streams[3]),
        "other": play_other(score.pads, score.plucks, n, streams[4]),
        "vocals": sing(score.vocals, n, streams[5]),
    }
    return Song(song_name(seed, index), score, _balance(stems, streams[6]))


def _balance(stems: dict[str, Stereo], rng: np.random.Generator) -> dict[str, Stereo]:
    """The stems at their levels, all scaled by one gain to the mixture's headroom."""
    for name, stem in stems.items():
        wanted = 10 ** ((LEVELS_DB[name] + rng.normal(0, BALANCE_DB)) / 20)
        stem *= np.float32(wanted / max(_level(stem), 1e-9))
    loudest = max(np.abs(part).max() for part in (sum(stems.values()), *stems.values()))
    gain = np.float32(HEADROOM / max(loudest, 1e-9))
    return {name: gain * stem for name, stem in stems.items()}


def _level(stem: Stereo) -> float:
    """Root mean square over the frames in which the stem sounds."""
    n = max(FRAME, stem.shape[1] // FRAME * FRAME)
    padded = np.zeros((2, n), dtype=np.float32)
    padded[:, : stem.shape[1]] = stem[:, :n]
    power = np.square(padded.reshape(2, -1, FRAME)).mean(axis=(0, 2), dtype=np.float64)
    sounding = power[power > 1e-3 * power.max()]
    return float(np.sqrt(sounding.mean())) if sounding.size else 0.0


def song_name(seed: int, index: int) -> str:
    """A title in the form "ARTIST - TITLE", no two alike in a collection."""
    shape = tuple(len(words) for words in (*ARTISTS, *TITLES))
    again, place = divmod(index, int(np.prod(shape)))
    number = np.random.default_rng(seed).permutation(int(np.prod(shape)))[place]
    first, second, third, fourth = (
        words[i]
        for words, i in zip((*ARTISTS, *TITLES), np.unravel_index(number, shape), strict=True)
    )
    name = f"{first} {second} - {third} {fourth}"
    return f"{name} {again + 1}" if again else name
