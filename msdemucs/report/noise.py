"""How much of a score is chance: what trainings of one spec with several seeds differ by."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import isfinite, nan, sqrt

import numpy as np
import pandas as pd
from scipy.stats import t as students_t

from msdemucs.report.measures import Measure
from msdemucs.study.analysis.pooling import repeat_key
from msdemucs.study.analysis.statistics import Array, hierarchical_interval, mean_of_means
from msdemucs.study.records import GROUP_COLUMN_PREFIX, StudyRecord

CONFIDENCE = 0.95

FEWEST_TRACKS = 3
"""Test tracks below which a bootstrap over tracks says nothing."""

RESAMPLES = 2000


@dataclass(frozen=True)
class Noise:
    """The spread of a quality over seeds, pooled over all specs that were trained repeatedly.

    Attributes:
        sigma_db: standard deviation of one training's quality, dB.
        degrees: degrees of freedom that it was estimated with.
    """

    sigma_db: float
    degrees: int

    @property
    def quantile(self) -> float:
        """Student's t for CONFIDENCE, two-sided."""
        return quantile_of(self.degrees)

    def half_width_db(self, n_seeds: int) -> float:
        """Half the confidence interval of a mean over seeds, dB."""
        return self.quantile * self.sigma_db / sqrt(max(n_seeds, 1))

    @property
    def tie_db(self) -> float:
        """Two single trainings closer than this may be equal, dB."""
        return self.tie_between(1, 1)

    def tie_between(self, n_seeds: int, n_others: int) -> float:
        """Means over so many seeds that are closer than this may be equal, dB."""
        squares = 1 / max(n_seeds, 1) + 1 / max(n_others, 1)
        return self.quantile * self.sigma_db * sqrt(squares)


@cache
def quantile_of(degrees: int) -> float:
    """Student's t for CONFIDENCE, two-sided."""
    return float(students_t.ppf(0.5 + CONFIDENCE / 2, degrees))


@dataclass(frozen=True)
class Gap:
    """How much better one trial is than another, paired over tracks and, if it can be, seeds.

    Attributes:
        mean_db: of the quality, dB.
        low_db: lower end of the 95 % bootstrap interval; NaN with fewer than FEWEST_TRACKS.
        high_db: likewise, the upper end.
        n_tracks: test tracks that both have.
        n_seeds: seeds that both have; 1 where each has one.
        n_agree: how many of the seeds, or with one seed of the tracks, have the mean's sign.
    """

    mean_db: float
    low_db: float
    high_db: float
    n_tracks: int
    n_seeds: int
    n_agree: int

    @property
    def has_interval(self) -> bool:
        """Whether there were tracks enough for an interval."""
        return isfinite(self.low_db)


def scores_of(record: StudyRecord, quality: Measure) -> pd.DataFrame:
    """The scores that a quality is made of, with `seed` and `clip` (group and track in one)."""
    scores = record.scores
    if quality.column.startswith(GROUP_COLUMN_PREFIX):
        scores = scores[scores["group"] == quality.column.removeprefix(GROUP_COLUMN_PREFIX)]
    scores = scores.dropna(subset=["usdr_db"])
    return scores.assign(
        seed=pd.to_numeric(scores["seed"]).fillna(-1).astype(int),
        clip=scores["group"].astype(str) + "/" + scores["track"].astype(str),
    )


def by_seed(record: StudyRecord, quality: Measure) -> pd.DataFrame:
    """Quality of each training: columns trial, seed, usdr_db."""
    scores = scores_of(record, quality)
    if scores.empty:
        return pd.DataFrame({"trial": [], "seed": [], "usdr_db": []})
    means = scores.groupby(["trial", "seed", "source"])["usdr_db"].mean()
    return means.groupby(["trial", "seed"]).mean().reset_index()


def n_seeds(record: StudyRecord, quality: Measure) -> Mapping[int, int]:
    """How many trainings each trial's quality is the mean of."""
    counts = by_seed(record, quality).groupby("trial").size()
    return {int(str(trial)): int(n) for trial, n in counts.items()}


def noise_of(record: StudyRecord, quality: Measure) -> Noise | None:
    """The spread over seeds; None where no spec was trained twice.

    What `study noise` measured comes first. Else trainings of equal specs count as repeats, be they
    seeds of one trial or trials of their own; a trial that took another's result is not one.
    """
    measured = record.attrs.get("noise")
    if isinstance(measured, Mapping) and quality.column == "usdr_db":
        return Noise(float(measured["sigma_db"]), int(measured["n_seeds"]) - 1)
    values = by_seed(record, quality)
    trials = record.trials
    own = trials[trials["duplicate_of"].isna()]
    rows = ({str(name): v for name, v in row.items()} for row in own.to_dict("records"))
    hashes = {int(str(row["trial"])): repeat_key(row) for row in rows}
    values = values[values["trial"].isin(list(hashes))]
    groups = values.groupby(values["trial"].map(hashes))["usdr_db"]
    squares = ((values["usdr_db"] - groups.transform("mean")) ** 2).sum()
    degrees = len(values) - groups.ngroups
    if degrees < 1:
        return None
    return Noise(sqrt(float(squares) / degrees), degrees)


def gap_between(record: StudyRecord, quality: Measure, first: int, second: int) -> Gap | None:
    """The first trial's quality less the second's; None where they share no scored track.

    The interval resamples tracks and seeds together, each with its sources, so that a difference
    that a single track or seed makes is not taken for one of all.
    """
    scores = scores_of(record, quality)
    keys = ["seed", "clip", "source"]
    sides = [scores[scores["trial"] == trial] for trial in (first, second)]
    seeds = set(sides[0]["seed"]) & set(sides[1]["seed"])
    if seeds:
        sides = [side[side["seed"].isin(seeds)] for side in sides]
    else:
        sides = [side.assign(seed=0) for side in sides]
    tables = [side.groupby(keys)["usdr_db"].mean() for side in sides]
    paired = (tables[0] - tables[1]).dropna()
    if paired.empty:
        return None
    return _bootstrap(_cube(paired))


def _cube(paired: "pd.Series[float]") -> Array:
    """Differences as an array of seeds × tracks × sources, NaN where one is missing."""
    levels = [list(dict.fromkeys(paired.index.get_level_values(i))) for i in range(3)]
    full = pd.MultiIndex.from_product(levels, names=paired.index.names)
    values = paired.reindex(full).to_numpy(dtype=float)
    return np.asarray(values.reshape([len(level) for level in levels]), dtype=np.float64)


def _bootstrap(cube: Array) -> Gap:
    """The gap of differences, seeds × tracks × sources."""
    seeds, tracks, _ = cube.shape
    parts = mean_of_means(cube) if seeds > 1 else np.nanmean(cube[0], axis=1)
    interval = hierarchical_interval(cube, rng=np.random.default_rng(0), resamples=RESAMPLES)
    low, high = (interval.low, interval.high) if tracks >= FEWEST_TRACKS else (nan, nan)
    agree = int((np.sign(parts) == np.sign(interval.value)).sum())
    return Gap(interval.value, low, high, tracks, seeds, agree)
