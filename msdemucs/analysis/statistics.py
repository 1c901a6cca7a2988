"""Intervals and p-values for what was trained with several seeds and judged on several tracks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm, t

CONFIDENCE = 0.95
RESAMPLES = 10_000

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
