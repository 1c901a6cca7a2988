"""Could paired scores differ as they do by chance?"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

FEWEST_FOR_WILCOXON = 6
"""Pairs below which no result of the signed-rank test is below 0.05."""


def signed_rank_p(differences: NDArray[np.floating]) -> float:
    """Return the p of Wilcoxon's signed-rank test, two-sided; NaN for too few pairs.

    Args:
        differences: one a pair, [N], finite.
    """
    if len(differences) < FEWEST_FOR_WILCOXON:
        return float("nan")
    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0
