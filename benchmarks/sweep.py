"""Train every spec of a tiny search space with two seeds and score it at every rung.

    OMP_NUM_THREADS=1 nice -n 10 python benchmarks/sweep.py [--sweep sweep-vocals]

Appends to benchmarks/sweep.csv, or that of another sweep, a row a spec, seed and rung, and goes
on where it was stopped: what the table has already is not trained again. The band is composed when
its folder is not there: the embedded band's songs, mono at 6 kHz. benchmarks/search.py replays
searches on the tables.
"""

import argparse
import csv
import itertools
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.signal import resample_poly

from msdemucs.cost import cost_of
from msdemucs.data import Track, find_tracks
from msdemucs.data.folders import quantise, write_track
from msdemucs.data.synthetic import make_song
from msdemucs.evaluate import evaluate_tracks
from msdemucs.metrics import METRICS, USUAL, Quality
from msdemucs.model import build
from msdemucs.spec import spec_hash
from msdemucs.study.search_space.loading import load_search_space
from msdemucs.study.search_space.space import Search
from msdemucs.study.search_space.variations import Scalar
from msdemucs.train import Recipe, Session, StepReport, sampler, train

HERE = Path(__file__).parent
RUNGS = (9, 27, 81, 243)
SEEDS = (0, 1)
FIGURES = ("hash", "macs_per_second", "parameters", "seed", "step", "usdr_db", "seconds")

RECIPE = Recipe(
    name="sweep",
    steps=RUNGS[-1],
    batch_size=4,
    segment=0.5,
    lr=2e-2,
    final_lr=2e-3,
    warmup_steps=5,
    flip=True,
    remix=True,
)

SONGS = {"sweep": (8, 4), "sweep-vocals": (8, 4), "sweep-stems": (12, 8)}
"""To train and to test on, of each sweep."""

SECONDS = 8.0
UP, DOWN = 20, 147
"""44.1 kHz × 20 / 147 = 6 kHz."""


def compose(root: Path, *, n_train: int, n_test: int) -> None:
    """Write the songs, mono at 6 kHz."""
    for index in range(n_train + n_test):
        song = make_song(0, index, SECONDS)
        low = {
            name: resample_poly(
                np.asarray(stem, dtype=np.float64).mean(0, keepdims=True), UP, DOWN, axis=-1
            )
            for name, stem in song.stems.items()
        }
        stems, _ = quantise(low)
        split = "train" if index < n_train else "test"
        write_track(root / split / song.name, stems, sample_rate=6000)


def points(search: Search) -> list[dict[str, Scalar]]:
    """Every combination of labels, in an order that mixes them."""
    vary = search.space.vary
    labels = [[label for label, _ in variation.options] for variation in vary.values()]
    found = [dict(zip(vary, values, strict=True)) for values in itertools.product(*labels)]
    random.Random(0).shuffle(found)
    return found


def curve(
    search: Search, labels: dict[str, Scalar], seed: int, tracks: dict[str, list[Track]]
) -> Iterator[list[object]]:
    """Rows of figures, a rung each, of one training."""
    values = {field: search.space.vary[field].value_of(label) for field, label in labels.items()}
    spec = search.spec(values)
    torch.manual_seed(seed)
    model = build(spec)
    batches = sampler(RECIPE, spec, tracks["train"], seed=seed, normalised=RECIPE.normalise)
    known = cost_of(spec)
    rows: list[list[object]] = []
    begun, judging = time.process_time(), 0.0

    def on_step(report: StepReport) -> None:
        nonlocal judging
        if report.step not in RUNGS:
            return
        before = time.process_time()
        scored = evaluate_tracks(model, tracks["test"])
        scores = pd.DataFrame(score for track in scored for score in track.scores)
        model.train()
        quality = Quality(METRICS[USUAL]).of(scores.assign(seed=seed))
        seconds = before - begun - judging
        judging += time.process_time() - before
        figures = (spec_hash(spec), known.macs_per_second, known.parameters, seed, report.step)
        rows.append([*figures, round(quality, 4), round(seconds, 3)])

    train(model, batches, RECIPE, Session(on_step=on_step))
    yield from rows


def main() -> None:
    """Fill the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--band", type=Path, help="where its songs are; in /tmp when not given")
    parser.add_argument("--sweep", default="sweep", choices=SONGS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    n_train, n_test = SONGS[asked.sweep]
    band = asked.band or Path(f"/tmp/band-{n_train}-{n_test}")
    if not band.exists():
        compose(band, n_train=n_train, n_test=n_test)
    search, table = load_search_space(HERE / f"{asked.sweep}.yaml"), HERE / f"{asked.sweep}.csv"
    find = partial(
        find_tracks,
        band,
        sources=search.base.sources,
        sample_rate=search.base.sample_rate,
        audio_channels=search.base.audio_channels,
    )
    tracks = {split: find(split=split) for split in ("train", "test")}
    done = set()
    if table.exists():
        with table.open() as file:
            fields = list(search.space.vary)
            done = {tuple(row[name] for name in (*fields, "seed")) for row in csv.DictReader(file)}
    for labels, seed in itertools.product(points(search), SEEDS):
        key = tuple(str(value) for value in (*labels.values(), seed))
        if key in done:
            continue
        rows = [[*labels.values(), *row] for row in curve(search, labels, seed, tracks)]
        is_new = not table.exists()
        with table.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow([*labels, *FIGURES])
            writer.writerows(rows)
        print(*key, *(row[-2] for row in rows), f"{rows[-1][-1]} s", flush=True)


if __name__ == "__main__":
    main()
