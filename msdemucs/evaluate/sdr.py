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


def si_sdr_db(reference: Float[Tensor, "A N"], estimate: Float[Tensor, "A N"]) -> float | None:
    """Scale-invariant SDR: 10 log10(‖g s‖² / ‖g s − ŝ‖²) with the gain g = ⟨ŝ, s⟩ / ‖s‖².

    Over a whole track, channels taken together; means are left in.

    Args:
        reference: the true stem.
        estimate: the model's output for it.

    Returns:
        None where the reference is silent; infinite for an estimate that differs in gain alone, and
        minus infinite for one without anything of the reference. NaN where it is not finite.

    Source: Le Roux et al. 2019 (arXiv:1811.02508), equation 4.
    """
    s, e = reference.double().flatten(), estimate.double().flatten()
    energy = float(s @ s)
    if energy == 0:
        return None
    if not bool(e.isfinite().all()):
        return math.nan
    target = float(e @ s) / energy * s
    kept, error = float(target @ target), float((target - e).square().sum())
    if error == 0:
        return math.inf if kept else -math.inf
    return 10 * math.log10(kept / error) if kept else -math.inf


def chunk_sdrs_db(
    reference: Float[Tensor, "A N"],
    estimate: Float[Tensor, "A N"],
    *,
    chunk_samples: int,
    epsilon: float = 1e-7,
) -> list[float | None]:
    """The uSDR of every whole chunk of a track; None where the reference is silent in it.

    A track shorter than a chunk is one.

    Args:
        reference: the true stem.
        estimate: the model's output for it.
        chunk_samples: length of a chunk.
        epsilon: as in `usdr_db`.
    """
    n_samples = reference.shape[-1]
    size = min(chunk_samples, n_samples)
    return [
        usdr_db(
            reference[:, start : start + size], estimate[:, start : start + size], epsilon=epsilon
        )
        for start in range(0, n_samples - size + 1, size)
    ]


def _energy(waveform: Float[Tensor, "A N"]) -> float:
    """The sum of squares."""
    return float(torch.linalg.vector_norm(waveform, dtype=torch.float64).square())
