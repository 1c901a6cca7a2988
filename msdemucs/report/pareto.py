"""Which points of a set no other point beats in everything."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msdemucs.study.records import Direction


def non_dominated(values: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.bool_]:
    """Whether each point is on the Pareto front.

    A point dominates another when it is at least as good in every column and better in one; equal
    points therefore tie, and are on the front together. A point with a NaN is never on the front
    and dominates nothing.

    Args:
        values: P points of D columns.
        directions: what is better, for each column.

    Returns:
        P truth values, in the order of the points.
    """
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    costs = np.asarray(values, dtype=float).reshape(-1, len(signs)) * signs
    is_front = np.zeros(len(costs), dtype=bool)

    # Sorted by column, a point can be dominated only by one before it, and then also by one of
    # the front so far, because dominance is transitive.
    candidates = np.flatnonzero(~np.isnan(costs).any(axis=1))
    order = candidates[np.lexsort(costs[candidates].T[::-1])]
    for index in order:
        front, point = costs[is_front], costs[index]
        beaten = (front <= point).all(axis=1) & (front < point).any(axis=1)
        is_front[index] = not beaten.any()
    return is_front
