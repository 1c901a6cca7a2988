"""What does reading batches ahead give a study's trial?

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/prefetch.py --csv benchmarks/prefetch.csv

Songs of the embedded band, stereo at 44.1 kHz, are written to a scratch folder: as 16-bit WAV
files, and as FLAC in files of the same names (libsndfile goes by the content). One training is made
from them again and again as trials make it (`TrainingRun`), each time anew, in turns with batches
read when they are due and two batches ahead; what the one takes to the time of the other is a
ratio, so that a busy moment hits both alike. The table has the median of the ratios, the least and
the greatest. Reading alone, the same batches without a model, says what there was to gain: a
training that spends a tenth in reading cannot become more than 1.11 times as fast. Files lie in the
system's cache: a slow disk or a network leaves more to gain.

The weights of all turns must be equal, bit for bit.
"""

import argparse
import csv
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from safetensors.torch import load_file

from msdemucs.data import find_tracks
from msdemucs.data.folders import quantise, write_track
from msdemucs.data.synthetic import make_song
from msdemucs.spec import load_spec
from msdemucs.train import Recipe, training
from msdemucs.train.tracks import Tracks, names_of
from msdemucs.train.training import Asked, TrainingRun

N_SONGS = 4
SONG_SECONDS = 20.0
FORMATS = ("WAV", "FLAC")
SMALL = {"segment": 1, "depth": 3, "spectral.resolutions": [1024], "attention": []}
"""Of htdemucs: what a search on a CPU trains; the less a step computes, the more reading counts."""


@dataclass(frozen=True)
class Timed:
    """What one setting took: seconds of trainings, in pairs of due and ahead, and of reading."""

    due: list[float]
    ahead: list[float]
    reading: float

    @property
    def ratios(self) -> list[float]:
        """How many times as fast the training ahead was, in each pair."""
        return [due / ahead for due, ahead in zip(self.due, self.ahead, strict=True)]


def compose(root: Path, kind: str) -> None:
    """Write the songs, in files of a kind."""
    for index in range(N_SONGS):
        song = make_song(0, index, SONG_SECONDS)
        stems, _ = quantise({name: np.asarray(stem) for name, stem in song.stems.items()})
        folder = root / "train" / song.name
        write_track(folder, stems, sample_rate=44100)
        for path in folder.iterdir():
            samples, rate = soundfile.read(path, dtype="int16")
            soundfile.write(path, samples, rate, subtype="PCM_16", format=kind)


def timed(asked: Asked, tracks: Tracks, folder: Path, repeats: int) -> Timed:
    """Train again and again, reading when due and ahead in turns."""
    found = Timed([], [], reading(asked, tracks, folder / "reading"))
    first = None
    for turn in range(repeats):
        for ahead, seconds in ((0, found.due), (2, found.ahead)):
            training.AHEAD = ahead
            one = TrainingRun(asked, tracks, folder / f"{turn}-{ahead}")
            seconds.append(one.go().seconds)
            weights = load_file(one.finish())
            first = first or weights
            assert all(torch.equal(first[name], weights[name]) for name in first), "unequal weights"
    return found


def reading(asked: Asked, tracks: Tracks, folder: Path) -> float:
    """Seconds in which the batches of a training are read, and no more."""
    sampler = TrainingRun(asked, tracks, folder).sampler
    start = time.perf_counter()
    for step in range(1, asked.recipe.n_steps + 1):
        sampler.batch(step)
    return time.perf_counter() - start


def main() -> None:
    """Print a row a kind of file and model, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--channels", type=int, nargs="+", default=[4], help="of the first level")
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    recipe = Recipe(
        name="prefetch", steps=arguments.steps, batch_size=4, segment=1.0, flip=True, remix=True
    )
    rows = []
    for kind in FORMATS:
        with tempfile.TemporaryDirectory() as scratch:
            compose(Path(scratch) / "band", kind)
            found = find_tracks(Path(scratch) / "band", split="train")
            tracks = Tracks(found, [], names_of(found, is_one_set=True))
            for channels in arguments.channels:
                changes = {**SMALL, "channels.start": channels}
                asked = Asked(load_spec("htdemucs", overrides=changes), recipe)
                one = timed(asked, tracks, Path(scratch) / str(channels), arguments.repeats)
                rows.append(row(kind, channels, one, recipe))
                print(rows[-1], flush=True)
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def row(kind: str, channels: int, one: Timed, recipe: Recipe) -> dict[str, object]:
    """One line of the table."""
    ratios = sorted(one.ratios)
    due = statistics.median(one.due)
    return {
        "files": kind,
        "spec": f"htdemucs, small, {channels} channels",
        "batch": f"{recipe.batch_size} × {recipe.segment:g} s",
        "steps": recipe.n_steps,
        "due_s": round(due, 2),
        "ahead_s": round(statistics.median(one.ahead), 2),
        "times_as_fast": round(statistics.median(ratios), 3),
        "least": round(ratios[0], 3),
        "greatest": round(ratios[-1], 3),
        "reading_alone_s": round(one.reading, 2),
        "pairs": len(ratios),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "machine": platform.machine(),
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    main()
