"""Which points of a set no other point beats in everything."""

from collections.abc import Sequence

import moocore
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
    points = np.asarray(values, dtype=float).reshape(-1, len(directions))
    is_front = ~np.isnan(points).any(axis=1)
    if is_front.any():
        is_max = [direction == "maximize" for direction in directions]
        found = moocore.is_nondominated(points[is_front], maximise=is_max, keep_weakly=True)
        is_front[is_front] = found
    return np.asarray(is_front, dtype=np.bool_)
