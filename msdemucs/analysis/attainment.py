"""What the front would be with single seeds: an empirical attainment band.

Source: Watanabe 2023 (arXiv:2305.08852), for one quality against one cost.
"""

from dataclasses import dataclass
from math import inf

import pandas as pd

from msdemucs.analysis.trades import Trade

FEWEST_SPECS = 2
"""Specs that must have been trained with each of the seeds."""


@dataclass(frozen=True)
class Band:
    """The best quality that seeds attain at each cost or below.

    Attributes:
        x: costs of the specs that were trained with every seed, ascending.
        low: of the seed with the lowest.
        high: of the seed with the highest.
        n_seeds: how many seeds there are.
    """

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n_seeds: int


def attainment_band(trade: Trade, trainings: pd.DataFrame) -> Band | None:
    """The band over the seeds that most specs share; None where fewer than two do.

    A spec counts with all seeds or not at all, so that each seed's front is made of the same
    specs.

    Args:
        trade: of quality and cost.
        trainings: the quality of each training of its points: columns trial, seed, value.
    """
    if trade.x.direction != "minimize":
        return None
    costs = {point.trial: point.x for point in trade.admitted}
    values = trainings[trainings["trial"].isin(list(costs))]
    table = values.pivot(index="trial", columns="seed", values="value")
    table = _most_shared(table)
    if table.shape[1] < 2 or len(table) < FEWEST_SPECS:
        return None
    ordered = table.loc[sorted(table.index, key=lambda trial: costs[int(trial)])]
    best = ordered.cummax() if trade.y.direction == "maximize" else ordered.cummin()
    costs_along = [costs[int(str(trial))] for trial in ordered.index]
    by_cost: dict[float, tuple[float, float]] = {}
    for x, row in zip(costs_along, best.to_numpy(), strict=True):
        by_cost[x] = (float(row.min()), float(row.max()))
    lows, highs = zip(*by_cost.values(), strict=True)
    return Band(tuple(by_cost), tuple(lows), tuple(highs), table.shape[1])


def _most_shared(table: pd.DataFrame) -> pd.DataFrame:
    """The seeds and trials of the largest table without holes, seeds taken by their frequency."""
    seeds = table.notna().sum().sort_values(ascending=False).index
    best, size = table.iloc[:0], -inf
    for n in range(2, len(seeds) + 1):
        full = table[seeds[:n]].dropna()
        if len(full) >= FEWEST_SPECS and len(full) * n > size:
            best, size = full, len(full) * n
    return best
