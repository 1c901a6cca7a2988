"""By how much the best of several noisy scores is too good, because it was chosen for it."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from msdemucs.analysis.trades import Trade

SEED = 0
RESAMPLES = 4000

REACH = 8.0
"""Scores further from the best than this many standard deviations of their noise never win."""


def expected_fall(scores: Sequence[float], errors: Sequence[float]) -> float:
    """Return by how much the best score is expected to fall when it is measured anew.

    Scores y are truths t with noise: y(i) = t(i) + e(i), e(i) of standard deviation s(i). The best
    is chosen for its noise too, so that E[e(best)] > 0. That mean is taken over truths that are
    spread as the scores are, less what noise adds to their spread:

        t(i) = m + sqrt(max(0, V - mean s²) / V) · (y(i) - m),
        fall = E[e(argmax t + e)], e(i) normal with s(i),

    with the mean m and the variance V of the scores, by RESAMPLES draws. Of equal truths it is the
    mean of the maximum of n draws of the noise; where the best leads by far it is nothing.

    Args:
        scores: the larger, the better; infinite ones are left out.
        errors: standard deviation of each score's noise.
    """
    y, s = np.asarray(scores, dtype=float), np.asarray(errors, dtype=float)
    y, s = y[np.isfinite(y)], s[np.isfinite(y)]
    if len(y) < 2 or not s.any():
        return 0.0
    variance = float(y.var(ddof=1))
    share = max(0.0, variance - float((s**2).mean())) / variance if variance else 0.0
    truths = y.mean() + np.sqrt(share) * (y - y.mean())
    near = truths >= truths.max() - REACH * s.max()
    truths, s = truths[near], s[near]
    noise = np.random.default_rng(SEED).standard_normal((RESAMPLES, len(s))) * s
    return float(noise[np.arange(RESAMPLES), (truths + noise).argmax(axis=1)].mean())


def expected_fall_of_best(trade: Trade) -> float | None:
    """By how much the best of a trade is expected to be worse when it is trained anew.

    None where the noise is unknown, or nothing was chosen from.
    """
    points = trade.admitted
    if trade.noise is None or len(points) < 2 or not trade.is_common:
        return None
    sigma = trade.noise.sigma.value
    errors = [sigma / sqrt(max(point.n_seeds, 1)) for point in points]
    return expected_fall([trade.y.sign * point.y for point in points], errors)
