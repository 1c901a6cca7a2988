"""Differences of scores, their intervals and p-values: over seeds, tracks and sources at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2, norm, t

from msdemucs.metrics import Quality

CONFIDENCE = 0.95
RESAMPLES = 10_000

FEWEST_TRACKS = 3
"""Tracks below which a bootstrap over tracks says nothing."""

PAIRED_RESAMPLES = 2000
"""Of the difference of two trials, of which a report makes many."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval, NaN where there is none."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def mean_of_means(differences: Array) -> Array:
    """The mean over sources of the mean over tracks, of every seed.

    Args:
        differences: dB, [seeds, tracks, sources]; NaN where a reference is silent.

    Returns:
        [seeds].
    """
    present = ~np.isnan(differences).all((0, 1))
    return np.asarray(np.nanmean(differences[..., present], axis=1).mean(-1))


def hierarchical_interval(
    differences: Array, *, rng: np.random.Generator, resamples: int = RESAMPLES
) -> Interval:
    """The mean difference with a bootstrap interval over seeds and tracks.

    Seeds and tracks are resampled independently of each other, since every seed is judged on every
    track (the pigeonhole bootstrap, Owen 2007). Percentiles of few units are too narrow, by
    sqrt((n - 1) / n) and by taking a normal quantile for Student's (Hesterberg 2015, section 4.3);
    deviations are therefore stretched by both, with Satterthwaite's degrees of freedom between
    seeds and tracks. With one seed the interval knows nothing of what another would give.

    Args:
        differences: dB, [seeds, tracks, sources]; NaN where a reference is silent.
        rng: draws the resamples.
        resamples: how many.
    """
    value = float(mean_of_means(differences).mean())
    S, T, _ = differences.shape
    if S * T < 2:
        return Interval(value, math.nan, math.nan)
    present = ~np.isnan(differences).any(0)  # [T, sources]
    filled = np.where(present, differences, 0.0)
    of_seeds = rng.multinomial(S, [1 / S] * S, resamples) / S  # [resamples, S]
    of_tracks = rng.multinomial(T, [1 / T] * T, resamples).astype(float)
    sums = np.stack(
        [((of_seeds @ filled[..., k]) * of_tracks).sum(1) for k in range(filled.shape[-1])], 1
    )
    counts = of_tracks @ present  # [resamples, sources]
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    drawn = np.nanmean(means[(counts > 0).any(1)], axis=1)
    alpha = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn, (alpha, 100 - alpha)) - value
    stretch = _stretch(_degrees(differences))
    return Interval(value, value + stretch * float(low), value + stretch * float(high))


def sigma(values: Sequence[float]) -> Interval:
    """The standard deviation of independent values with its χ² interval (normal values).

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:
        raise ValueError(f"a spread needs two values; found {len(values)}")
    return sigma_interval(float(np.std(values, ddof=1)), len(values) - 1)


def sigma_interval(value: float, degrees: int) -> Interval:
    """A standard deviation that was estimated with so many degrees of freedom."""
    upper, lower = chi2.ppf(((1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2), degrees)
    return Interval(value, value * math.sqrt(degrees / upper), value * math.sqrt(degrees / lower))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number (Holm 1979), in their order; NaN is not counted."""
    known = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        adjusted[index] = largest
    return adjusted


def fewest_tracks(n_tests: int, level: float = 0.05) -> int:
    """The fewest tracks on which the best of so many signed-rank tests can fall below a level.

    The smallest p of n pairs is 2 / 2^n; Holm multiplies the smallest by the number of tests.
    """
    return math.floor(math.log2(2 * n_tests / level)) + 1


def _degrees(differences: Array) -> float:
    """Satterthwaite's degrees of freedom of a mean over seeds and tracks (1946)."""
    S, T, _ = differences.shape
    means = (mean_of_means(differences), np.nanmean(differences, axis=(0, 2)))
    known = [
        (float(np.var(m, ddof=1)) / n, n - 1) for m, n in zip(means, (S, T), strict=True) if n > 1
    ]
    whole = sum(variance for variance, _ in known)
    if not whole:
        return math.inf
    parts = sum(variance**2 / degrees for variance, degrees in known)
    return float(whole**2 / parts)


def _stretch(degrees: float) -> float:
    if math.isinf(degrees):
        return 1.0
    quantile = (1 + CONFIDENCE) / 2
    narrow = math.sqrt((degrees + 1) / degrees)
    return narrow * float(t.ppf(quantile, degrees)) / float(norm.ppf(quantile))


@dataclass(frozen=True)
class Cube:
    """Differences of arms' scores, dB, [seeds, tracks, sources], over what all of them share."""

    differences: Array
    n_seeds: int
    sources: tuple[str, ...]

    @property
    def n_tracks(self) -> int:
        """Those that all arms were judged on."""
        return len(self.differences[0]) if len(self.differences) else 0


def cube_of(scores: Mapping[str, "pd.Series[float]"], weights: Mapping[str, float]) -> Cube:
    """The weighted sum of arms' scores, where all of them have some; silent references left out."""
    weighted = [scores[name] * weight for name, weight in weights.items() if name in scores]
    if len(weighted) < len(weights):
        return Cube(np.empty((0, 0, 0)), 0, ())
    shared = [
        sorted(set.intersection(*(set(arm.index.get_level_values(level)) for arm in weighted)))
        for level in ("seed", "clip", "source")
    ]
    index = pd.MultiIndex.from_product(shared)
    sums = np.sum([arm.reindex(index).to_numpy(dtype=float) for arm in weighted], axis=0)
    sums = sums.reshape([len(values) for values in shared])
    heard = ~np.isnan(sums).any(0)  # [tracks, sources]
    sums = sums[:, heard.any(1)][:, :, heard.any(0)]
    sources = [
        source for source, any_heard in zip(shared[2], heard.any(0), strict=True) if any_heard
    ]
    return Cube(sums, len(shared[0]), tuple(sources))


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
    tables = {}
    for name, side in zip(("first", "second"), sides, strict=True):
        # of seeds that were made one, the mean
        clips = side["group"].astype(str) + "/" + side["track"].astype(str)
        keys = ["seed", "clip", "source"]
        tables[name] = side.assign(clip=clips).groupby(keys)["value"].mean()
    cube = cube_of(tables, {"first": 1.0, "second": -1.0}).differences
    if not cube.size:
        return None
    n_seeds, n_tracks, _ = cube.shape
    parts = mean_of_means(cube) if n_seeds > 1 else np.nanmean(cube[0], axis=1)
    rng = np.random.default_rng(0)
    interval = hierarchical_interval(cube, rng=rng, resamples=PAIRED_RESAMPLES)
    low, high = (interval.low, interval.high) if n_tracks >= FEWEST_TRACKS else (nan, nan)
    n_agree = int((np.sign(parts) == np.sign(interval.value)).sum())
    return PairedDifference(interval.value, low, high, n_tracks, n_seeds, n_agree)
