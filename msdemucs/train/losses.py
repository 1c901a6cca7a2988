"""What training minimises: kinds of losses, and their weighted sum.

Each loss is a mean over the batch, and a weighted mean over sources.
"""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from msdemucs.errors import UsageError
from msdemucs.spec import nearest
from msdemucs.spec.sections import Kind

Estimates = Float[Tensor, "B S A N"]
BySource = Float[Tensor, "B S"]

EPSILON = 1e-8

FLOOR = 1 / 16
"""−12 dB: most stems lie above it, and there silence pulls about as hard as sound."""

Floor = Annotated[float, Field(ge=0, le=1)]


class LossOptions(Kind):
    """What every loss has."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    """Its share in a sum of losses."""


class L1(LossOptions):
    """The mean absolute difference of waveforms."""

    kind: Literal["l1"] = "l1"


class MSE(LossOptions):
    """The mean squared difference of waveforms."""

    kind: Literal["mse"] = "mse"


class SDR(LossOptions):
    """Minus the uSDR in dB: −10 log10((Σ s² + λ + ε) / (Σ (s − ŝ)² + λ + ε)).

    Sums are over channels and samples; λ is what Σ s² lacks of the floor, 0 for a stem that sounds.
    Source: Mitsufuji et al. 2021 (arXiv:2108.13559); a threshold of the mixture's energy, so that
    silent references can be trained on, is Wisdom et al. 2021's (arXiv:2011.00803).
    """

    kind: Literal["sdr"] = "sdr"
    epsilon: Annotated[float, Field(gt=0)] = 1e-3
    """Added to both energies."""
    floor: Floor = FLOOR
    """Energy, as a share of a mixture's, up to which a quieter reference is filled."""


class MultiResolutionSTFT(LossOptions):
    """The mean over resolutions of spectral convergence and of the log magnitudes' difference.

    ‖|S| − |Ŝ|‖ / (max(‖|S|‖, ‖floor‖) + ε) + mean |log(|S| + ε) − log(|Ŝ| + ε)|.
    Source: Yamamoto et al. 2020, Parallel WaveGAN (arXiv:1910.11480), equations 3 to 6, which know
    no silent reference: hence the floor.
    """

    kind: Literal["mrstft"] = "mrstft"
    n_ffts: Annotated[tuple[int, ...], Field(min_length=1)] = (512, 1024, 2048)
    """Window lengths in samples; hops are a quarter of each."""
    epsilon: Annotated[float, Field(gt=0)] = 1e-3
    """Added to magnitudes before the logarithm, so that silence does not rule."""
    floor: Floor = FLOOR
    """Energy, as a share of a mixture's, by which a quieter reference's distance is divided."""

    @field_validator("n_ffts")
    @classmethod
    def _powers_of_two(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for n_fft in value:
            if n_fft < 16 or n_fft & (n_fft - 1):
                message = "must be powers of two from 16 on, found {n_fft}"
                raise PydanticCustomError("power", message, {"n_fft": n_fft})
        return value


@singledispatch
def by_source(
    options: object,
    estimates: Estimates,  # noqa: ARG001
    references: Estimates,  # noqa: ARG001
    level: float,  # noqa: ARG001
) -> BySource:
    """The loss of each source of each item.

    Args:
        options: of the kind.
        estimates: of the model.
        references: the true stems.
        level: mean square of the batch's mixtures. A kind that divides by a reference's energy
            measures silence by it, or one silent stem would outweigh all others.

    Raises:
        TypeError: a kind without a formula.
    """
    raise TypeError(f"no loss for {type(options).__name__}")


@by_source.register
def _(options: L1, estimates: Estimates, references: Estimates, level: float) -> BySource:  # noqa: ARG001
    return (estimates - references).abs().mean((2, 3))


@by_source.register
def _(options: MSE, estimates: Estimates, references: Estimates, level: float) -> BySource:  # noqa: ARG001
    return (estimates - references).square().mean((2, 3))


@by_source.register
def _(options: SDR, estimates: Estimates, references: Estimates, level: float) -> BySource:
    A, N = references.shape[2:]
    signal = references.square().sum((2, 3))
    filling = (options.floor * level * A * N - signal).clamp(min=0) + options.epsilon
    error = (references - estimates).square().sum((2, 3))
    return 10 * ((error + filling).log10() - (signal + filling).log10())


@by_source.register
def _(
    options: MultiResolutionSTFT, estimates: Estimates, references: Estimates, level: float
) -> BySource:
    B, S, N = *estimates.shape[:2], estimates.shape[-1]
    both = torch.stack([estimates, references]).float().view(-1, N)
    total = estimates.new_zeros(B, S)
    for n_fft in options.n_ffts:
        window = torch.hann_window(n_fft, device=both.device)
        spectra = torch.stft(
            both, n_fft, n_fft // 4, window=window, return_complex=True, pad_mode="constant"
        )
        # the root's gradient at 0 would be infinite
        power = torch.view_as_real(spectra).square().sum(-1)
        estimated, true = (power + EPSILON).sqrt().view(2, B, S, -1)
        distance = torch.linalg.vector_norm(true - estimated, dim=-1)
        # noise of this level has the mean power level × Σ window² in every bin
        least = (options.floor * level * window.square().sum() * true.shape[-1]).sqrt()
        norm = torch.linalg.vector_norm(true, dim=-1).maximum(least)
        total = total + distance / (norm + options.epsilon)
        logs = (true + options.epsilon).log() - (estimated + options.epsilon).log()
        total = total + logs.abs().mean(-1)
    return total / len(options.n_ffts)


def check_weights(weights: Mapping[str, float], sources: Sequence[str]) -> None:
    """Raise UsageError for a weight of a source that is not estimated.

    Raises:
        UsageError: a weight of what is no source.
    """
    for name in weights:
        if name not in sources:
            raise UsageError(
                f"source_weights: there is no source “{name}”; {nearest(name, sources)}"
            )


class Loss(nn.Module):
    """Σ over kinds of weight × the weighted mean over sources of the mean over items.

    Args:
        kinds: losses to add.
        sources: names of the sources, in the estimates' order.
        weights: of sources by name; 1 for those that it does not name.

    Raises:
        UsageError: a weight of what is no source.
    """

    weights: Tensor

    def __init__(
        self,
        kinds: Sequence[LossOptions],
        sources: Sequence[str],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        self.kinds = tuple(kinds)
        check_weights(weights or {}, sources)
        shares = torch.tensor([(weights or {}).get(source, 1.0) for source in sources])
        self.register_buffer("weights", shares / shares.sum())

    def forward(
        self, estimates: Estimates, references: Estimates, level: float
    ) -> Float[Tensor, ""]:
        """One number to minimise; arguments as in `by_source`."""
        parts = [
            options.weight * by_source(options, estimates, references, level).mean(0)
            for options in self.kinds
        ]
        return (torch.stack(parts).sum(0) * self.weights).sum()
