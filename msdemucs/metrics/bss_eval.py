"""BSSEval v4: what of an estimate is its source, and what is filtering, interference, artefact?

An estimate is compared with what can be reached by filtering (512 taps) its own reference, and by
filtering all references. The filters are those of the whole track; energies are of frames.

Where the package museval convolves every reference with every filter in every frame, all is done
here on spectra: filters come from correlations summed over blocks and one factorisation for all
estimates, and by Parseval's theorem no frame is brought back to time.

Source: Vincent et al. 2006 (Performance measurement in blind audio source separation); Stöter et
al. 2018 (The 2018 signal separation evaluation campaign); museval 0.4.1.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float
from scipy.fft import next_fast_len
from torch import Tensor

from msdemucs.errors import UsageError

TAPS = 512
"""Of a distortion filter: 11.6 ms at 44.1 kHz."""

BLOCK = 2**13
"""Values of a transform when correlations are summed."""

# few at once: what is freed and taken again as a whole costs more than the arithmetic
BLOCKS_AT_ONCE = 8
FRAMES_AT_ONCE = 3

EPSILON = float(np.finfo(np.float64).eps)

Waveforms = Float[np.ndarray, "S N A"] | Float[Tensor, "S N A"]
Scores = Float[np.ndarray, "S W"]


class BssEval(NamedTuple):
    """Ratios in dB, one a source and frame, in museval's order.

    NaN where a reference or an estimate is silent in the frame; infinite where nothing is wrong.

    Attributes:
        sdr: source to distortion: all that is not the reference.
        isr: source image to spatial distortion: what filtering the reference explains.
        sir: source to interference: what filtering the other references explains besides.
        sar: source to artefacts: what no filter explains.
    """

    sdr: Scores
    isr: Scores
    sir: Scores
    sar: Scores


def bsseval(
    references: Waveforms,
    estimates: Waveforms,
    *,
    window: int = 44100,
    hop: int = 44100,
    taps: int = TAPS,
) -> BssEval:
    """The scores of all sources of a track, frame by frame.

    Sums are in float64; on the CPU. Frames that do not fit in whole are left out, but a track
    shorter than a frame is one.

    Args:
        references: the true stems; two axes mean one channel.
        estimates: likewise, in the same order.
        window: samples of a frame.
        hop: samples from one frame to the next.
        taps: of the distortion filters.

    Raises:
        UsageError: sizes that differ, no samples, values that are not finite, or a stem that is
            silent throughout: then museval raises too, since nothing can be attributed to it.
    """
    if window < 1 or hop < 1 or taps < 1:
        raise UsageError(
            f"bsseval needs at least 1 sample in a window, a hop and a filter; found {window}, "
            f"{hop} and {taps}"
        )
    s, e = _checked(references, estimates)
    window = min(window, s.shape[-1])
    n_fft = next_fast_len(window + taps - 1, real=True)
    own, every = (torch.fft.rfft(filters, n=n_fft) for filters in _filters(s, e, taps))
    frames = [one.unfold(-1, window, hop) for one in (s, e)]  # [S, A, W, window]
    ratios = [
        _ratios(frames[0][:, :, first:last], frames[1][:, :, first:last], own, every, n_fft)
        for first, last in _groups(frames[0].shape[2])
    ]
    return BssEval(*(one.numpy() for one in torch.cat(ratios, dim=2)))


def _checked(references: Waveforms, estimates: Waveforms) -> tuple[Tensor, Tensor]:
    """Both as [S, A, N] in float64.

    Raises:
        UsageError: as `bsseval`.
    """
    both = [torch.as_tensor(one).detach().double().cpu() for one in (references, estimates)]
    both = [one[..., None] if one.ndim == 2 else one for one in both]
    if both[0].shape != both[1].shape or both[0].ndim != 3 or not both[0].numel():
        raise UsageError(
            "bsseval needs references and estimates of one size, sources × samples × channels; "
            f"found {tuple(both[0].shape)} and {tuple(both[1].shape)}"
        )
    # views: copies of whole tracks cost more than the arithmetic
    s, e = (one.transpose(1, 2) for one in both)  # [S, A, N]
    for name, one in (("reference", s), ("estimate", e)):
        if not math.isfinite(float(one.sum())):  # one pass; what is not finite stays so in a sum
            raise UsageError(f"bsseval was given a {name} with values that are not finite")
        # silent as museval has it: the channels sum to 0 at every sample
        silent = [str(index) for index, stem in enumerate(one) if not stem.sum(0).any()]
        if silent:
            raise UsageError(
                f"the {name} of source {', '.join(silent)} (counted from 0) is silent throughout: "
                "BSSEval is not defined"
            )
    return s, e


def _groups(count: int) -> Iterator[tuple[int, int]]:
    for first in range(0, count, FRAMES_AT_ONCE):
        yield first, min(first + FRAMES_AT_ONCE, count)


def _filters(
    s: Float[Tensor, "S A N"], e: Float[Tensor, "S A N"], taps: int
) -> tuple[Float[Tensor, "S A A K"], Float[Tensor, "S P A K"]]:
    """The filters from a reference's channels, and from all P = S · A, to each estimate's.

    They make the squared error of each estimate least.
    """
    S, A, _ = s.shape
    lags = _correlations(s, e, taps)  # [P, 2 P, K]
    among, between = lags[:, : S * A], lags[:, S * A :]
    whole = _solve(_gram(among), between.permute(0, 2, 1).flatten(0, 1))
    every = whole.view(S * A, taps, S, A).permute(2, 0, 3, 1)  # [S, P, A, K]
    if S == 1:
        return every.reshape(1, A, A, taps), every
    own = []
    for source in range(S):
        rows = slice(source * A, (source + 1) * A)
        target = between[rows, rows].permute(0, 2, 1).flatten(0, 1)
        found = _solve(_gram(among[rows, rows]), target)
        own.append(found.view(A, taps, A).permute(0, 2, 1))
    return torch.stack(own), every


def _correlations(
    s: Float[Tensor, "S A N"], e: Float[Tensor, "S A N"], taps: int
) -> Float[Tensor, "P Q K"]:
    """Σ_n x[n] z[n + k] for k = 0 … K − 1, of references x with references and estimates z.

    Summed over blocks whose spectra are multiplied.
    """
    n_fft = max(BLOCK, next_fast_len(2 * taps, real=True))
    block = n_fft - taps + 1
    span = BLOCKS_AT_ONCE * block
    total = torch.zeros(())
    for start in range(0, s.shape[-1], span):
        both = torch.cat([_stretch(one, start, span + taps - 1) for one in (s, e)])  # [Q, …]
        own = both[: len(both) // 2, :span].unfold(-1, block, block)  # [P, blocks, block]
        other = both.unfold(-1, n_fft, block)
        spectra = [
            torch.fft.rfft(one.contiguous(), n=n_fft).permute(2, 0, 1).contiguous()
            for one in (own, other)
        ]  # [F, P or Q, blocks]
        total = total + spectra[0].conj() @ spectra[1].transpose(1, 2)
    return torch.fft.irfft(total.permute(1, 2, 0), n=n_fft)[..., :taps]


def _stretch(x: Float[Tensor, "S A N"], start: int, size: int) -> Float[Tensor, "P n"]:
    """A stretch of every channel, with zeros beyond the end."""
    part = x[..., start : start + size].flatten(0, 1)
    return torch.nn.functional.pad(part, (0, size - part.shape[-1]))


def _gram(among: Float[Tensor, "P P K"]) -> Float[Tensor, "PK PK"]:
    """Inner products of all delayed references: entry (p, a), (q, b) is Σ_n x_p[n − a] x_q[n − b].

    It depends on b − a alone: Toeplitz blocks.
    """
    P, _, K = among.shape
    # Σ_n x_p[n + l] x_q[n] for l = 1 − K … K − 1
    both = torch.cat([among.flip(-1)[..., :-1], among.transpose(0, 1)], dim=-1)
    place = torch.arange(K)
    blocks = both[..., place - place[:, None] + K - 1]  # [P, P, K of a, K of b]
    return blocks.permute(0, 2, 1, 3).reshape(P * K, P * K)


def _solve(gram: Float[Tensor, "M M"], target: Float[Tensor, "M T"]) -> Float[Tensor, "M T"]:
    """The least-squares filters, damped as the reference implementation damps them.

    References that are copies of each other leave them undetermined; a diagonal a few roundings
    large then chooses, far below what any score can show. The matrix is used up.
    """
    largest = float(gram.diagonal().max())
    gram.diagonal().add_(EPSILON)  # in place: it is large, and nobody else's
    factor, failed = torch.linalg.cholesky_ex(gram)
    if not int(failed):
        return torch.cholesky_solve(target, factor)
    for further in (0.0, 64 * EPSILON * largest):
        gram.diagonal().add_(further)
        factors, pivots, failed = torch.linalg.lu_factor_ex(gram)
        if not int(failed):
            return torch.linalg.lu_solve(factors, pivots, target)
    return torch.linalg.lstsq(gram, target, driver="gelsd").solution


def _ratios(
    s: Float[Tensor, "S A W N"],
    e: Float[Tensor, "S A W N"],
    own: Complex[Tensor, "S A A F"],
    every: Complex[Tensor, "S P A F"],
    n_fft: int,
) -> Float[Tensor, "4 S W"]:
    """SDR, ISR, SIR and SAR of a few frames."""
    true, estimate = (torch.fft.rfft(one.contiguous(), n=n_fft) for one in (s, e))  # [S, A, W, F]
    by_own = torch.stack([_filtered(x, filters) for x, filters in zip(true, own, strict=True)])
    if len(s) == 1:  # nothing interferes
        by_all = by_own
    else:
        channels = true.flatten(0, 1)  # [P, W, F]
        by_all = torch.stack([_filtered(channels, filters) for filters in every])
    # distortion is spatial distortion + interference + artefacts
    parts = [
        (true, estimate - true),
        (true, by_own - true),
        (by_own, by_all - by_own),
        (by_all, estimate - by_all),
    ]
    ratios = torch.stack(
        [_decibels(_energies(kept, n_fft), _energies(error, n_fft)) for kept, error in parts]
    )
    silent = (s.sum(1) == 0).all(-1) | (e.sum(1) == 0).all(-1)  # [S, W]
    return ratios.masked_fill(silent.any(0), torch.nan)


def _filtered(
    x: Complex[Tensor, "P W F"], filters: Complex[Tensor, "P A F"]
) -> Complex[Tensor, "A W F"]:
    """The sum of all channels, each through its filter to each output."""
    result = x[0] * filters[0][:, None]
    for channel, responses in zip(x[1:], filters[1:], strict=True):
        result.addcmul_(channel, responses[:, None])
    return result


def _energies(spectra: Complex[Tensor, "S A W F"], n_fft: int) -> Float[Tensor, "S W"]:
    """Sums of squares over time and channels, by Parseval's theorem."""
    whole, first, last = (
        torch.linalg.vector_norm(torch.view_as_real(part), dim=(1, 3, 4)).square()
        for part in (spectra, spectra[..., :1], spectra[..., -1:])
    )
    return (2 * whole - first - (last if n_fft % 2 == 0 else 0)) / n_fft


def _decibels(kept: Tensor, error: Tensor) -> Tensor:
    """The ratio in dB; infinite without an error."""
    return 10 * torch.log10(kept / error).masked_fill(error == 0, torch.inf)
