"""How much of a difference between two trials is chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite, nan

import numpy as np
import pandas as pd

from msdemucs.analysis.cubes import cube_of
from msdemucs.analysis.noise import Noise, by_training, noise_of
from msdemucs.analysis.statistics import Array, hierarchical_interval, mean_of_means
from msdemucs.report.frames import scores_of
from msdemucs.report.measures import Measure
from msdemucs.study.records import StudyRecord

FEWEST_TRACKS = 3
"""Tracks below which a bootstrap over tracks says nothing."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Gap:
    """How much one trial scores more than another, paired over tracks and, if it can be, seeds.

    Attributes:
        mean: of the quality, in its unit.
        low: lower end of the 95 % bootstrap interval; NaN with fewer than FEWEST_TRACKS.
        high: likewise, the upper end.
        n_tracks: tracks that both have.
        n_seeds: seeds that both have; 1 where each has one.
        n_agree: how many of the seeds, or with one seed of the tracks, have the mean's sign.
    """

    mean: float
    low: float
    high: float
    n_tracks: int
    n_seeds: int
    n_agree: int

    @property
    def has_interval(self) -> bool:
        """Whether there were tracks enough for an interval."""
        return isfinite(self.low)


@lru_cache(maxsize=16)
def spread_of(record: StudyRecord, measure: Measure) -> Noise | None:
    """The spread of a measure over seeds; None where no spec was trained twice, or of a cost."""
    return noise_of(record, measure.quality) if measure.quality else None


@lru_cache(maxsize=16)
def by_seed(record: StudyRecord, measure: Measure) -> pd.DataFrame:
    """Quality of each training: columns trial, seed, value; none of a cost."""
    if measure.quality is None:
        return pd.DataFrame({"trial": [], "seed": [], "value": []})
    return by_training(scores_of(record), measure.quality)


def n_seeds(record: StudyRecord, measure: Measure) -> Mapping[int, int]:
    """How many trainings each trial's quality is the mean of."""
    counts = by_seed(record, measure).groupby("trial").size()
    return {int(str(trial)): int(n) for trial, n in counts.items()}


def gap_between(record: StudyRecord, measure: Measure, first: int, second: int) -> Gap | None:
    """The first trial's quality less the second's; None where they share no scored track.

    The interval resamples tracks and seeds together, each with its sources, so that a difference
    that a single track or seed makes is not taken for one of all.
    """
    if measure.quality is None:
        return None
    rows = measure.quality.rows(scores_of(record)).dropna(subset=["value"])
    sides = [rows[rows["trial"] == trial] for trial in (first, second)]
    if not set(sides[0]["seed"]) & set(sides[1]["seed"]):
        sides = [side.assign(seed=0) for side in sides]
    tables = {str(place): _indexed(side) for place, side in enumerate(sides)}
    cube = cube_of(tables, {"0": 1.0, "1": -1.0}).differences
    return _bootstrap(cube) if cube.size else None


def _indexed(rows: pd.DataFrame) -> "pd.Series[float]":
    """A trial's scores by seed, track and source; of seeds that were made one, their mean."""
    clips = rows["group"].astype(str) + "/" + rows["track"].astype(str)
    return rows.assign(clip=clips).groupby(["seed", "clip", "source"])["value"].mean()


def _bootstrap(cube: Array) -> Gap:
    """The gap of differences, seeds × tracks × sources."""
    seeds, tracks, _ = cube.shape
    parts = mean_of_means(cube) if seeds > 1 else np.nanmean(cube[0], axis=1)
    interval = hierarchical_interval(cube, rng=np.random.default_rng(0), resamples=RESAMPLES)
    low, high = (interval.low, interval.high) if tracks >= FEWEST_TRACKS else (nan, nan)
    agree = int((np.sign(parts) == np.sign(interval.value)).sum())
    return Gap(interval.value, low, high, tracks, seeds, agree)
