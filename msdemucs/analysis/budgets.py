"""The best spec that a budget allows: the costs from which a better one is in reach."""

from collections.abc import Sequence
from dataclasses import dataclass

from msdemucs.analysis.measure import Measure
from msdemucs.analysis.trades import Trade, TradePoint

MOST_STEPS = 60
"""Steps of a budget, at most: the rest of a front is thinned evenly, its ends stay."""


@dataclass(frozen=True)
class Budget:
    """What is best under each limit of one cost.

    Attributes:
        cost: the cost.
        quality: by which it is best.
        low: the cheapest trial's cost.
        high: the dearest complete trial's cost.
        steps: by cost; each is better than those before, from its cost on.
    """

    cost: Measure
    quality: Measure
    low: float
    high: float
    steps: tuple[TradePoint, ...]


def budgets(trades: Sequence[Trade]) -> tuple[Budget, ...]:
    """One budget a trade whose cost is to be kept low; those without a front are left out."""
    return tuple(
        Budget(
            trade.x,
            trade.y,
            trade.admitted[0].x,
            trade.admitted[-1].x,
            _thinned(trade.front),
        )
        for trade in trades
        if trade.front and trade.x.direction == "minimize" and trade.admitted[0].x > 0
    )


def _thinned(front: Sequence[TradePoint]) -> tuple[TradePoint, ...]:
    if len(front) <= MOST_STEPS:
        return tuple(front)
    kept = {round(i * (len(front) - 1) / (MOST_STEPS - 1)) for i in range(MOST_STEPS)}
    return tuple(point for index, point in enumerate(front) if index in kept)
