"""How much hypervolume would a training add? Exact costs, an uncertain quality.

The dominated hypervolume is taken over (quality, log of each cost). Since costs are known before
training, what a spec would add depends on its quality alone: the space of costs falls into cells in
each of which the best quality so far is constant, and the spec adds, in its share of each cell,
what it exceeds that by. Its expectation over a normal posterior has a closed form (expected
hypervolume improvement: Emmerich et al. 2006, Single- and Multiobjective Evolutionary Optimization
Assisted by Gaussian Random Field Metamodels).
"""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float
from scipy.special import ndtr

from msdemucs.analysis.fronts import non_dominated
from msdemucs.study.records import Direction

Array = Float[np.ndarray, "..."]

MARGIN = 0.1
"""How far beyond the highest cost the volume reaches, in its logarithm: the dearest counts, too."""


@dataclass(frozen=True)
class TrainedFront:
    """What is trained so far.

    Attributes:
        quality: after all steps, the higher the better, one each.
        log_costs: of each.
        floor: below which nothing counts.
    """

    quality: Float[np.ndarray, " n"]
    log_costs: Float[np.ndarray, "n c"]
    floor: float


def expected_improvements(
    front: TrainedFront, log_costs: Float[np.ndarray, "m c"], mean: Array, deviation: Array
) -> Float[np.ndarray, " m"]:
    """The hypervolume that each of some specs is expected to add, alone, to a front."""
    low, high, best = cells(front, log_costs)
    shares = np.ones((len(log_costs), len(best)))
    for axis in range(log_costs.shape[1]):
        begin = np.maximum(low[None, :, axis], log_costs[:, None, axis])
        shares *= np.maximum(high[None, :, axis] - begin, 0.0)
    deviation = np.maximum(deviation, 1e-9)[:, None]
    above = mean[:, None] - best[None, :]
    z = above / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return np.asarray((shares * (above * ndtr(z) + deviation * density)).sum(1))


def volume(front: TrainedFront, log_costs: Float[np.ndarray, "m c"]) -> float:
    """The hypervolume that a front dominates, over the costs of all."""
    low, high, best = cells(front, log_costs)
    return float(((high - low).prod(axis=1) * (best - front.floor)).sum())


def cells(front: TrainedFront, log_costs: Float[np.ndarray, "m c"]) -> tuple[Array, Array, Array]:
    """(lowest costs, highest costs, best quality for them so far) of each cell of the costs."""
    every = np.concatenate([front.log_costs, log_costs])
    directions: list[Direction] = ["maximize"]
    directions += ["minimize"] * front.log_costs.shape[1]
    kept = non_dominated(
        np.column_stack([front.quality, front.log_costs]),
        directions,
    )
    edges = []
    for axis in range(every.shape[1]):
        inner = np.unique(front.log_costs[kept, axis])
        ends = (every[:, axis].min(), every[:, axis].max() + MARGIN)
        edges.append(np.unique([ends[0], *inner, ends[1]]))
    low = np.array([*product(*(one[:-1] for one in edges))], dtype=float)
    high = np.array([*product(*(one[1:] for one in edges))], dtype=float)
    is_within = (front.log_costs[None, kept] <= low[:, None]).all(axis=2)
    values = np.where(is_within, front.quality[None, kept], front.floor)
    best = np.maximum(values.max(axis=1, initial=front.floor), front.floor)
    return low, high, best
