"""The embedded band: a collection composed and played from a seed."""

from collections.abc import Callable
from pathlib import Path

from msdemucs.data.folders import quantise, write_track
from msdemucs.data.made import README, make_folder
from msdemucs.data.synthetic.band import Song, make_song, song_name
from msdemucs.data.synthetic.sound import SAMPLE_RATE
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
            songs.append({"split": split, "name": song.name, **_facts(song)})
        (folder / README).write_text(ABOUT)
        return {"tracks": songs}

    made_from = {"synth": VERSION, "tracks": n_tracks, "seconds": float(seconds), "seed": seed}
    return make_folder(root, made_from, write)


NOTES = ("C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")


def _facts(song: Song) -> dict[str, object]:
    form = song.score.form
    return {"bpm": form.bpm, "key": f"{NOTES[form.tonic]} {form.mode}", "bars": len(form.bars)}
