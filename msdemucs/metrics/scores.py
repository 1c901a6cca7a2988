"""What each metric computes of a track: a number a source, or a number a source and frame.

s is a reference, ŝ its estimate, Σ a sum over all channels and samples in float64. The first lines
of these docstrings are what `msdemucs metrics` prints as formulas.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from msdemucs.metrics.stems import Stems

EPSILON = 1e-7
"""Keeps a perfect estimate finite, and one of a very quiet reference near 0 dB."""

ROUNDING = 1e-26
"""The share of an estimate's energy below which a part of it is taken as none."""

BLOCK = 2**16
"""Samples brought to float64 at a time."""

N_FFT, HOP = 2048, 512
"""Of the spectra that are compared; Hann's window."""

QUIETEST = 1e-10
"""Added to powers before their logarithm: 100 dB below a sine of full scale."""

PerSource = Float[np.ndarray, " S"]
PerFrame = Float[np.ndarray, "S W"]


def usdr(stems: Stems) -> PerSource:
    """10 log₁₀((Σ s² + ε) / (Σ (s − ŝ)² + ε)), ε = 1e-7, over the whole track.

    No filter and no frames; the estimate is charged for every difference, also of gain or delay.

    Source: Mitsufuji et al. 2021, Music Demixing Challenge (arXiv:2108.13559).
    """
    n_samples = stems.references.shape[-1]
    blocks = (slice(start, start + BLOCK) for start in range(0, n_samples, BLOCK))
    signal, error = (part.sum(1) for part in energies(stems, blocks))
    return _decibels(signal + EPSILON, error + EPSILON)


def chunk_sdr(stems: Stems) -> PerFrame:
    """10 log₁₀((Σ s² + ε) / (Σ (s − ŝ)² + ε)), ε = 1e-7, over each chunk of the track.

    NaN where the reference itself is silent in the chunk; other stems do not matter.

    Source: uSDR's formula by chunks, as in torchaudio's tutorial on source separation.
    """
    signal, error = energies(stems, stems.frames("chunk"))
    return np.where(signal > 0, _decibels(signal + EPSILON, error + EPSILON), np.nan)


def csdr(stems: Stems) -> PerFrame:
    """10 log₁₀(Σ s² / Σ (s − ŝ)²) over each frame in which every stem is heard.

    That is museval's SDR: of the parts into which its filters split the error, the SDR takes the
    sum, which is the plain difference. NaN for all stems of a frame in which any reference or
    estimate is silent (its channels sum to 0 throughout), infinite without an error.

    Source: Stöter et al. 2018, The 2018 signal separation evaluation campaign; named cSDR in
    Luo & Yu 2022 (arXiv:2209.15174); sigsep/sigsep-mus-eval#101.
    """
    frames = tuple(stems.frames("window"))
    signal, error = energies(stems, frames)
    heard = [
        all(
            heard_stems(waveforms[..., frame]).all()
            for waveforms in (stems.references, stems.estimates)
        )
        for frame in frames
    ]
    return np.where(heard, _decibels(signal, error), np.nan)


def si_sdr(stems: Stems) -> PerSource:
    """10 log₁₀(Σ (g s)² / Σ (ŝ − g s)²) with the gain g = Σ ŝ s / Σ s².

    Channels are taken together and means are left in. Infinite for an estimate that differs in
    gain alone, minus infinite for one that holds nothing of the reference.

    Source: Le Roux et al. 2019 (arXiv:1811.02508), equation 4.
    """
    parts = stems.once(project)
    return _ratio(parts.target, parts.residual, parts.estimate)


def si_sir(stems: Stems) -> PerSource:
    """10 log₁₀(Σ (g s)² / Σ (p − g s)²), p the projection of ŝ on all references together.

    p − g s is what a mix of the other references explains besides. Infinities as of SI-SDR.

    Source: Le Roux et al. 2019 (arXiv:1811.02508).
    """
    parts = stems.once(project)
    return _ratio(parts.target, parts.interference, parts.estimate)


def si_sar(stems: Stems) -> PerSource:
    """10 log₁₀(Σ (g s)² / Σ (ŝ − p)²), p the projection of ŝ on all references together.

    ŝ − p is what no mix of references explains. Infinities as of SI-SDR; since both parts of the
    error are orthogonal, 10^(−SI-SDR/10) = 10^(−SI-SIR/10) + 10^(−SI-SAR/10).

    Source: Le Roux et al. 2019 (arXiv:1811.02508).
    """
    parts = stems.once(project)
    return _ratio(parts.target, parts.artefacts, parts.estimate)


def sdr_bsseval(stems: Stems) -> PerFrame:
    """10 log₁₀(Σ s² / Σ (ŝ − s)²) over each frame in which every stem is heard.

    Source: Vincent et al. 2006; Stöter et al. 2018; museval 0.4.1 (BSSEval v4).
    """
    return stems.once(bss_frames)[0]


def isr_bsseval(stems: Stems) -> PerFrame:
    """10 log₁₀(Σ s² / Σ (f − s)²), f the best estimate of ŝ by filtering s with 512 taps.

    Source: Vincent et al. 2006; Stöter et al. 2018; museval 0.4.1 (BSSEval v4).
    """
    return stems.once(bss_frames)[1]


def sir_bsseval(stems: Stems) -> PerFrame:
    """10 log₁₀(Σ f² / Σ (a − f)²), f and a the best of ŝ by filtering s, and all references.

    Source: Vincent et al. 2006; Stöter et al. 2018; museval 0.4.1 (BSSEval v4).
    """
    return stems.once(bss_frames)[2]


def sar_bsseval(stems: Stems) -> PerFrame:
    """10 log₁₀(Σ a² / Σ (ŝ − a)²), a the best estimate of ŝ by filtering all references.

    Source: Vincent et al. 2006; Stöter et al. 2018; museval 0.4.1 (BSSEval v4).
    """
    return stems.once(bss_frames)[3]


def log_spectral_distance(stems: Stems) -> PerSource:
    """Mean over frames and channels of √(mean over f of (10 log₁₀((P + δ) / (P̂ + δ)))²).

    P and P̂ are the powers of s and ŝ at a frame and frequency (2048 points, Hann, hop 512), 1 for
    a sine of full scale; δ = 1e-10 ends what can be told apart at −100 dB.

    Source: Gray & Markel 1976, Distance measures for speech processing.
    """
    return stems.once(compare_spectra).distance


def bleedless(stems: Stems) -> PerSource:
    """10 log₁₀((Σ |S|² + ε) / (Σ max(|Ŝ| − |S|, 0)² + ε)) over frames and frequencies.

    S and Ŝ are spectra (2048 points, Hann, hop 512), scaled so that Σ |S|² ≈ Σ s²; ε = 1e-7. Only
    what the estimate has too much counts: leakage, noise. Phase does not, and silence scores best,
    so it is read beside fullness. Not the figure of the same name of other trainers, which averages
    differences of mel spectrograms in dB.

    Source: this package.
    """
    spectra = stems.once(compare_spectra)
    return _decibels(spectra.reference + EPSILON, spectra.excess + EPSILON)


def fullness(stems: Stems) -> PerSource:
    """10 log₁₀((Σ |S|² + ε) / (Σ max(|S| − |Ŝ|, 0)² + ε)) over frames and frequencies.

    As bleedless, but only what the estimate lacks counts: holes, muffled passages.

    Source: this package.
    """
    spectra = stems.once(compare_spectra)
    return _decibels(spectra.reference + EPSILON, spectra.missing + EPSILON)


def energies(stems: Stems, spans: Iterable[slice]) -> tuple[PerFrame, PerFrame]:
    """Energies of references and of errors in each span of samples, [S, W]."""
    S = len(stems.references)
    signal, error = [np.zeros((S, 0))], [np.zeros((S, 0))]
    for span in spans:
        reference = stems.references[..., span].astype(np.float64)
        difference = stems.estimates[..., span] - reference
        signal.append(np.einsum("san,san->s", reference, reference)[:, None])
        error.append(np.einsum("san,san->s", difference, difference)[:, None])
    return np.concatenate(signal, axis=1), np.concatenate(error, axis=1)


def heard_stems(waveforms: Float[np.ndarray, "S A N"]) -> np.ndarray:
    """Which stems are heard, [S]: as museval has it, their channels do not sum to 0 throughout."""
    heard: np.ndarray = waveforms.sum(1).any(-1)
    return heard


class Projections(NamedTuple):
    """Energies of an estimate's parts by orthogonal projection, [S] each.

    Attributes:
        target: of g s, the projection on its own reference.
        interference: of what the projection on all references adds.
        artefacts: of what no reference explains.
        residual: of both, all but g s.
        estimate: of the whole.
    """

    target: PerSource
    interference: PerSource
    artefacts: PerSource
    residual: PerSource
    estimate: PerSource


def project(stems: Stems) -> Projections:
    """Split each estimate into its reference, the other references, and the rest."""
    S = len(stems.references)
    gram, cross = np.zeros((S, S)), np.zeros((S, S))  # references with references; with estimates
    for reference, estimate in _flat_blocks(stems):
        gram += reference @ reference.T
        cross += estimate @ reference.T
    # unit references, so that quiet ones count as loud ones do; silent ones explain nothing
    norms = np.sqrt(gram.diagonal())
    scale = np.divide(1.0, norms, out=np.zeros(S), where=norms > 0)
    own = np.diag(cross.diagonal() * scale**2)
    unit_gram, unit_cross = gram * scale * scale[:, None], cross * scale
    every = np.linalg.lstsq(unit_gram, unit_cross.T, rcond=None)[0].T * scale
    parts = np.zeros((5, S))
    for reference, estimate in _flat_blocks(stems):
        target, explained = own @ reference, every @ reference
        for part, waveform in zip(
            parts,
            (target, explained - target, estimate - explained, estimate - target, estimate),
            strict=True,
        ):
            part += np.einsum("sn,sn->s", waveform, waveform)
    return Projections(*parts)


def _flat_blocks(
    stems: Stems,
) -> Iterator[tuple[Float[np.ndarray, "S M"], Float[np.ndarray, "S M"]]]:
    """References and estimates in float64, channels behind each other, a block at a time."""
    S, _, N = stems.references.shape
    for start in range(0, N, BLOCK):
        reference, estimate = (
            waveforms[..., start : start + BLOCK].astype(np.float64).reshape(S, -1)
            for waveforms in (stems.references, stems.estimates)
        )
        yield reference, estimate


def bss_frames(stems: Stems) -> tuple[PerFrame, ...]:
    """SDR, ISR, SIR and SAR of BSSEval v4, by the engine that the stems name."""
    size = stems.samples_of("window")
    references, estimates = (
        waveforms.transpose(0, 2, 1) for waveforms in (stems.references, stems.estimates)
    )
    if stems.engine == "museval":
        from museval.metrics import bss_eval

        return tuple(bss_eval(references, estimates, window=size, hop=size)[:4])
    from msdemucs.metrics.bss_eval import bsseval

    return tuple(bsseval(references, estimates, window=size, hop=size))


class Spectra(NamedTuple):
    """How magnitudes of references and estimates compare, [S] each.

    Attributes:
        reference: energy of the references.
        excess: energy of what estimates have too much.
        missing: energy of what they lack.
        distance: log-spectral, in dB.
    """

    reference: PerSource
    excess: PerSource
    missing: PerSource
    distance: PerSource


def compare_spectra(stems: Stems) -> Spectra:
    """Compare the magnitudes of every frame and frequency."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)
    to_energy = 2 * HOP / (N_FFT * np.square(window).sum())  # Parseval, both halves of a spectrum
    to_power = (2 / window.sum()) ** 2
    totals = np.zeros((len(stems.references), 4))
    for source, (references, estimates) in enumerate(
        zip(stems.references, stems.estimates, strict=True)
    ):
        count = 0
        for channels in zip(references, estimates, strict=True):
            for true, made in zip(*(_magnitudes(x, window) for x in channels), strict=True):
                difference = made - true
                levels = [np.log10(to_power * np.square(x) + QUIETEST) for x in (true, made)]
                distances = np.sqrt(np.square(10 * (levels[0] - levels[1])).mean(-1))
                totals[source] += (
                    to_energy * np.square(true).sum(),
                    to_energy * np.square(difference.clip(min=0)).sum(),
                    to_energy * np.square(difference.clip(max=0)).sum(),
                    distances.sum(),
                )
                count += len(distances)
        totals[source, 3] /= max(1, count)
    return Spectra(*totals.T)


def _magnitudes(
    waveform: Float[np.ndarray, " N"], window: Float[np.ndarray, " M"]
) -> Iterator[Float[np.ndarray, "T F"]]:
    """Magnitudes of a few frames at a time; zeros surround the waveform."""
    from scipy.fft import rfft

    padded = np.pad(waveform, (N_FFT // 2, N_FFT // 2 + -len(waveform) % HOP))
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    for start in range(0, len(frames), BLOCK // HOP):
        part = frames[start : start + BLOCK // HOP] * window.astype(waveform.dtype)
        yield np.abs(rfft(part, axis=-1)).astype(np.float64)


def _decibels(kept: np.ndarray, error: np.ndarray) -> np.ndarray:
    """The ratio in dB; infinite without an error."""
    with np.errstate(all="ignore"):
        return np.where(error == 0, np.inf, 10 * np.log10(kept / error))


def _ratio(kept: PerSource, error: PerSource, whole: PerSource) -> PerSource:
    """The ratio in dB of two parts of a whole, of which a rounding is none."""
    ratios = np.where(error <= ROUNDING * whole, np.inf, _decibels(kept, error))
    return np.where(kept <= ROUNDING * whole, -np.inf, ratios)
