"""How much hypervolume would a training add? Exact costs, an uncertain SDR.

The dominated hypervolume is taken over (SDR, log of each cost). Since costs are known before
training, what a spec would add depends on its SDR alone: the space of costs falls into cells in
each of which the best SDR so far is constant, and the spec adds, in its share of each cell, what it
exceeds that by. Its expectation over a normal belief has a closed form (expected hypervolume
improvement: Emmerich et al. 2006, Single- and Multiobjective Evolutionary Optimization Assisted by
Gaussian Random Field Metamodels).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

Array = Float[np.ndarray, "..."]

MARGIN = 0.1
"""How far beyond the highest cost the volume reaches, in its logarithm: the dearest counts, too."""


@dataclass(frozen=True)
class Front:
    """What is trained so far.

    Attributes:
        usdr_db: after all steps, one each.
        log_costs: of each.
        floor_db: below which nothing counts.
    """

    usdr_db: Float[np.ndarray, " n"]
    log_costs: Float[np.ndarray, "n c"]
    floor_db: float


def expected_gains(
    front: Front, log_costs: Float[np.ndarray, "m c"], mean_db: Array, deviation_db: Array
) -> Float[np.ndarray, " m"]:
    """The hypervolume that each of some specs is expected to add, alone, to a front."""
    low, high, best_db = cells(front, log_costs)
    shares = np.ones((len(log_costs), len(best_db)))
    for axis in range(log_costs.shape[1]):
        begin = np.maximum(low[None, :, axis], log_costs[:, None, axis])
        shares *= np.maximum(high[None, :, axis] - begin, 0.0)
    deviation = np.maximum(deviation_db, 1e-9)[:, None]
    above = mean_db[:, None] - best_db[None, :]
    z = above / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return np.asarray((shares * (above * ndtr(z) + deviation * density)).sum(1))


def volume(front: Front, log_costs: Float[np.ndarray, "m c"]) -> float:
    """The hypervolume that a front dominates, over the costs of all."""
    low, high, best_db = cells(front, log_costs)
    return float(((high - low).prod(axis=1) * (best_db - front.floor_db)).sum())


def cells(front: Front, log_costs: Float[np.ndarray, "m c"]) -> tuple[Array, Array, Array]:
    """(lowest costs, highest costs, best SDR for them so far) of each cell of the costs."""
    every = np.concatenate([front.log_costs, log_costs])
    kept = undominated(front)
    edges = []
    for axis in range(every.shape[1]):
        inner = np.unique(front.log_costs[kept, axis])
        ends = (every[:, axis].min(), every[:, axis].max() + MARGIN)
        edges.append(np.unique([ends[0], *inner, ends[1]]))
    low = np.array([*product(*(one[:-1] for one in edges))], dtype=float)
    high = np.array([*product(*(one[1:] for one in edges))], dtype=float)
    is_within = (front.log_costs[None, kept] <= low[:, None]).all(axis=2)
    values = np.where(is_within, front.usdr_db[None, kept], front.floor_db)
    best = np.maximum(values.max(axis=1, initial=front.floor_db), front.floor_db)
    return low, high, best


def undominated(front: Front) -> Sequence[int]:
    """Who is not dominated: the cells of the others would say nothing new."""
    found: list[int] = []
    for at in np.argsort(-front.usdr_db, kind="stable"):
        costs = front.log_costs[at]
        if not any((front.log_costs[other] <= costs).all() for other in found):
            found.append(int(at))
    return found
