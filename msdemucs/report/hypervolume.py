"""The volume that points dominate, in two to four objectives, exactly.

Source: While, Bradstreet and Barone 2012, “A fast way of calculating exact hypervolumes” (WFG),
without its slicing; the areas at its bottom are summed in order of one coordinate.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


def volume(points: ArrayLike) -> float:
    """The volume between the origin and points, larger being better in every column.

    Args:
        points: P points of D columns, none negative; none at all has no volume.
    """
    rows = np.asarray(points, dtype=float)
    if rows.size == 0:
        return 0.0
    return _volume(_front(rows))


def gain(point: Sequence[float], front: ArrayLike) -> float:
    """By how much a point enlarges the volume of others."""
    own, rows = np.asarray(point, dtype=float), np.asarray(front, dtype=float)
    if rows.size == 0:
        return float(own.prod())
    return float(own.prod()) - _volume(_front(np.minimum(rows, own)))


def _volume(front: Points) -> float:
    """Of points that do not dominate each other."""
    if front.shape[1] == 1:
        return float(front.max())
    if front.shape[1] == 2:
        return area([(float(x), float(y)) for x, y in front])
    order = front[np.argsort(front[:, -1])]  # poor ones first: fewer points limit them
    return sum(gain(order[index], order[index + 1 :]) for index in range(len(order)))


def area(points: Iterable[tuple[float, float]]) -> float:
    """The volume of points of two columns, dominated ones among them or not."""
    total, best = 0.0, 0.0
    for x, y in sorted(points, reverse=True):
        if y > best:
            total += x * (y - best)
            best = y
    return total


def _front(rows: Points) -> Points:
    """The rows that no other beats, one of equals."""
    rows = np.unique(rows, axis=0)[::-1]  # what comes later cannot dominate
    kept: list[int] = []
    for index, row in enumerate(rows):
        if not (rows[kept] >= row).all(axis=1).any():
            kept.append(index)
    return rows[kept]
