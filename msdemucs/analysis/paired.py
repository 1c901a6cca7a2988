"""How much one trial scores more than another, and how much of that is chance."""

from dataclasses import dataclass
from math import isfinite, nan

import numpy as np
import pandas as pd

from msdemucs.analysis.cubes import cube_of
from msdemucs.analysis.statistics import Array, hierarchical_interval, mean_of_means
from msdemucs.metrics import Quality

FEWEST_TRACKS = 3
"""Tracks below which a bootstrap over tracks says nothing."""

RESAMPLES = 2000


@dataclass(frozen=True)
class PairedDifference:
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


def paired_difference(
    scores: pd.DataFrame, quality: Quality, first: int, second: int
) -> PairedDifference | None:
    """The first trial's quality less the second's; None where they share no scored track.

    The interval resamples tracks and seeds together, each with its sources, so that a difference
    that a single track or seed makes is not taken for one of all.

    Args:
        scores: of one split.
        quality: what to make of them.
        first: a trial.
        second: another.
    """
    rows = quality.rows(scores).dropna(subset=["value"])
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


def _bootstrap(cube: Array) -> PairedDifference:
    """The mean of differences, seeds × tracks × sources, with its interval."""
    seeds, tracks, _ = cube.shape
    parts = mean_of_means(cube) if seeds > 1 else np.nanmean(cube[0], axis=1)
    interval = hierarchical_interval(cube, rng=np.random.default_rng(0), resamples=RESAMPLES)
    low, high = (interval.low, interval.high) if tracks >= FEWEST_TRACKS else (nan, nan)
    agree = int((np.sign(parts) == np.sign(interval.value)).sum())
    return PairedDifference(interval.value, low, high, tracks, seeds, agree)
