"""How loud is a mixture? Mean and deviation, by which Demucs normalises each track."""

import math
from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-8


def statistics(blocks: Iterable[Float[Tensor, "A N"]]) -> tuple[float, float]:
    """Mean and deviation of the mono mixture, as Demucs normalises each track.

    Source: shared/systems/base.md, section 8.1.
    """
    count, total, squares = 0, 0.0, 0.0
    for block in blocks:
        mono = block.mean(0).double()
        count += mono.numel()
        total += float(mono.sum())
        squares += float(mono.square().sum())
    mean = total / count
    variance = max(0.0, squares - count * mean**2) / max(1, count - 1)
    return mean, math.sqrt(variance) + EPSILON
