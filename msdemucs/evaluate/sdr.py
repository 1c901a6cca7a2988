"""How near is an estimate to its reference, in decibels?"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def usdr_db(
    reference: Float[Tensor, "A N"], estimate: Float[Tensor, "A N"], *, epsilon: float = 1e-7
) -> float | None:
    """Utterance SDR: 10 log10((Σ s² + ε) / (Σ (s − ŝ)² + ε)) over a whole track, channels summed.

    No filter and no frames; the estimate is charged for every difference, also of gain or delay.
    Sums are taken in float64, so that hour-long tracks lose nothing.

    Args:
        reference: the true stem.
        estimate: the model's output for it.
        epsilon: keeps a perfect estimate finite, and one of a very quiet reference near 0 dB.

    Returns:
        None where the reference is silent (every sample is 0): there is nothing to find, and the
        ratio would only measure ε. NaN where the estimate is not finite.

    Source: Mitsufuji et al. 2021, Music Demixing Challenge (arXiv:2108.13559).
    """
    signal = _energy(reference)
    if signal == 0:
        return None
    error = _energy(reference - estimate)
    if not math.isfinite(error):
        return math.nan
    return 10 * math.log10((signal + epsilon) / (error + epsilon))


def _energy(waveform: Float[Tensor, "A N"]) -> float:
    """The sum of squares."""
    return float(torch.linalg.vector_norm(waveform, dtype=torch.float64).square())
