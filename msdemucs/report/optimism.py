"""How much of the best score is luck."""

from functools import lru_cache
from math import sqrt

from msdemucs.analysis.optimism import expected_fall
from msdemucs.report.fronts import Point, Trade
from msdemucs.report.sentences import Sentence, say

NOTE = (
    "By how much the best score is luck: the mean noise of the winner, E[e(argmax t + e)], with "
    "e normal of σ/√seeds and truths t spread as the scores are less what the noise adds to "
    "their variance, t = mean + √(max(0, V − mean σ²/seeds)/V) · (score − mean)."
)
"""The formula, as the page and tables for papers give it."""


@lru_cache(maxsize=16)
def fall_of(trade: Trade) -> float | None:
    """By how much the best is expected to be worse when trained anew; None where it is unknown."""
    points = trade.admitted
    if trade.noise is None or len(points) < 2:
        return None
    sigma = trade.noise.sigma.value
    errors = [sigma / sqrt(max(point.n_seeds, 1)) for point in points]
    return expected_fall([trade.y.sign * point.y for point in points], errors)


def describe_optimism(trade: Trade) -> tuple[Sentence, ...]:
    """What the best would score if it were trained again; nothing where the noise is unknown."""
    fall = fall_of(trade)
    if fall is None or trade.y.text(fall) == trade.y.text(0.0):
        return ()
    best: Point = max(trade.admitted, key=lambda point: trade.y.sign * point.y)
    at = trade.y.text(best.y - trade.y.sign * fall)
    return (
        say(
            f"The best of {len(trade.admitted)} noisy scores is optimistic: trained again with "
            "other seeds, expect ",
            best,
            f" to be {trade.y.text(fall)} worse, at {at} of {trade.y.header}.",
        ),
    )
