"""The embedded band: songs from a seed, of form, score and four stems at their levels."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msdemucs.data.folders import quantise, write_track
from msdemucs.data.made import README, make_folder
from msdemucs.data.synthetic.instruments import (
    SAMPLE_RATE,
    Stereo,
    play_bass,
    play_drums,
    play_other,
    samples,
)
from msdemucs.data.synthetic.score import Score, compose, draw_form
from msdemucs.data.synthetic.voice import sing
from msdemucs.errors import UsageError

__all__ = ["Song", "make_song", "song_name", "synthesise"]

VERSION = 1
"""Raised when the same seed would give other sounds."""

TEST_SHARE = 4
"""One track in four is for testing, and at least one."""

ABOUT = """A small band, composed and played by a program from a seed; no one's rights attach to it.

Stereo, 16 bits, 44.1 kHz, in the layout of MUSDB18-HQ. Each mixture.wav is exactly the sum of the
track's stems. manifest.json says what the collection was made from; the same makes the same bytes.
"""

NOTES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")

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


def synthesise(
    root: Path,
    *,
    n_tracks: int = 8,
    seconds: float = 20.0,
    seed: int = 0,
    on_track: Callable[[str], None] | None = None,
) -> bool:
    """Compose a collection in MUSDB18-HQ's layout; the last quarter of it is the test split.

    Args:
        root: a new or empty folder, or one made by the same call, which is then left alone.
        n_tracks: at least 2.
        seconds: length of each track, above 0.
        seed: decides every note and every sample; not negative.
        on_track: is told each track's name before it is made.

    Returns:
        Whether anything was written.

    Raises:
        UsageError: a number out of range.
        DataError: the folder holds something else or cannot be written.
    """
    if n_tracks < 2 or seconds * SAMPLE_RATE < 1 or seed < 0:
        raise UsageError(
            "a collection needs at least 2 tracks (one to train on, one to test), a length above "
            f"0 s and a seed from 0; found {n_tracks} tracks, {seconds:g} s, seed {seed}"
        )

    def write(folder: Path) -> dict[str, object]:
        songs = []
        for index in range(n_tracks):
            if on_track:
                on_track(song_name(seed, index))
            song = make_song(seed, index, seconds)
            split = "test" if index >= n_tracks - max(1, n_tracks // TEST_SHARE) else "train"
            stems, _ = quantise(song.stems)
            write_track(folder / split / song.name, stems, sample_rate=SAMPLE_RATE)
            form = song.score.form
            key = f"{NOTES[form.tonic]} {form.mode}"
            facts = {"bpm": form.bpm, "key": key, "bars": len(form.bars)}
            songs.append({"split": split, "name": song.name, **facts})
        (folder / README).write_text(ABOUT)
        return {"tracks": songs}

    made_from = {"synth": VERSION, "tracks": n_tracks, "seconds": float(seconds), "seed": seed}
    return make_folder(root, made_from, write)


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
    for name, stem in stems.items():
        level = 10 ** ((LEVELS_DB[name] + streams[6].normal(0, BALANCE_DB)) / 20)
        stem *= np.float32(level / max(_level(stem), 1e-9))
    loudest = max(np.abs(part).max() for part in (sum(stems.values()), *stems.values()))
    gain = np.float32(HEADROOM / max(loudest, 1e-9))
    balanced = {name: gain * stem for name, stem in stems.items()}
    return Song(song_name(seed, index), score, balanced)


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
