"""Fusions of resolutions, mirrored from `spec.fusion`: one module an options class."""

from collections.abc import Callable, Sequence
from functools import singledispatch

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.spec.fusion import (
    ConvolutionOutput,
    PerSourceOutput,
    SumOutput,
    WeightedBottleneck,
    WeightedOutput,
)
from msdemucs.spec.plan import Plan


class SmoothedWeights(nn.Module):
    """Weights that sum to 1 over the last axis, with a running average mixed in while training.

    In training the average e is updated first, e ← s e + (1 − s) w, and (1 − s) w + s e is used:
    the forward pass then changes the buffer `average`. In evaluation w alone is used.

    Source: shared/systems sheet of n and nn, section 0.5.
    """

    average: Tensor

    def __init__(self, *size: int, smoothing: float | None) -> None:
        super().__init__()
        self.smoothing = smoothing or 0.0
        self.logits = nn.Parameter(torch.full(size, 1 / size[-1]))
        self.register_buffer("average", torch.full(size, 1 / size[-1]))

    def forward(self) -> Tensor:
        """The weights to use now, of the constructor's size."""
        weights = self.logits.softmax(-1)
        if not self.training:
            return weights
        with torch.no_grad():
            self.average.lerp_(weights, 1 - self.smoothing)
        return (1 - self.smoothing) * weights + self.smoothing * self.average


GiveBack = Callable[[Tensor], list[Tensor]]


class SingleResolution(nn.Module):
    """Nothing to fuse: the one resolution is the fused map."""

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, GiveBack]:
        """The one map, and back."""
        return maps[0], lambda fused: [fused]


class WeightedFusion(nn.Module):
    """Maps resized to the middle resolution and averaged; afterwards given back to each.

    Source: shared/systems sheet of n and nn, section 1.4.
    """

    def __init__(self, options: WeightedBottleneck, n_resolutions: int) -> None:
        super().__init__()
        self.middle = n_resolutions // 2
        self.weights = SmoothedWeights(n_resolutions, smoothing=options.smoothing)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, GiveBack]:
        """Σ w_r · resize(h_r), of the middle resolution's size, and how it is given back.

        Given back, each resolution becomes w_r · resize(x) + (1 − w_r) · h_r.
        """
        weights = self.weights()
        size = maps[self.middle].shape[2:]
        parts = [weight * _resize(x, size) for weight, x in zip(weights, maps, strict=True)]

        def give_back(fused: Tensor) -> list[Tensor]:
            return [
                torch.lerp(x, _resize(fused, x.shape[2:]), weight)
                for weight, x in zip(weights, maps, strict=True)
            ]

        return torch.stack(parts).sum(0), give_back


def _resize(x: Tensor, size: torch.Size) -> Tensor:
    return x if x.shape[2:] == size else F.interpolate(x, list(size), mode="bilinear")


class SumFusion(nn.Module):
    """The sum of the resolutions."""

    def forward(self, waveforms: Float[Tensor, "B R S A N"]) -> Float[Tensor, "B S A N"]:
        """One estimate a source."""
        return waveforms.sum(1)


class AverageFusion(nn.Module):
    """A weighted mean of the resolutions; weights are common [1, R] or each source's own [S, R]."""

    def __init__(self, rows: int, n_resolutions: int, smoothing: float | None) -> None:
        super().__init__()
        self.weights = SmoothedWeights(rows, n_resolutions, smoothing=smoothing)

    def forward(self, waveforms: Float[Tensor, "B R S A N"]) -> Float[Tensor, "B S A N"]:
        """One estimate a source."""
        weights = self.weights().T[:, :, None, None]  # [R, S or 1, 1, 1]
        return (waveforms * weights).sum(1)


class ConvolutionFusion(nn.Module):
    """A convolution over all resolutions and `width` samples, each source by itself."""

    def __init__(self, options: ConvolutionOutput, plan: Plan) -> None:
        super().__init__()
        sources, channels = len(plan.spec.sources), plan.spec.audio_channels
        self.conv = nn.Conv2d(
            sources * channels,
            sources * channels,
            (len(plan.spectral), options.width),
            padding=(0, options.width // 2),
            groups=sources,
        )

    def forward(self, waveforms: Float[Tensor, "B R S A N"]) -> Float[Tensor, "B S A N"]:
        """One estimate a source."""
        S, A = waveforms.shape[2:4]
        stacked = waveforms.permute(0, 2, 3, 1, 4).flatten(1, 2)  # [B, S · A, R, N]
        return self.conv(stacked)[:, :, 0].unflatten(1, (S, A))


@singledispatch
def fusion(options: object, plan: Plan) -> nn.Module:  # noqa: ARG001
    """The module of a fusion's options.

    Raises:
        TypeError: a kind without a module.
    """
    raise TypeError(f"no module for {type(options).__name__}")


@fusion.register
def _(options: None, plan: Plan) -> nn.Module:  # noqa: ARG001
    return SingleResolution()


@fusion.register
def _(options: WeightedBottleneck, plan: Plan) -> nn.Module:
    return WeightedFusion(options, len(plan.spectral))


@fusion.register
def _(options: SumOutput, plan: Plan) -> nn.Module:  # noqa: ARG001
    return SumFusion()


@fusion.register
def _(options: WeightedOutput, plan: Plan) -> nn.Module:
    return AverageFusion(1, len(plan.spectral), options.smoothing)


@fusion.register
def _(options: PerSourceOutput, plan: Plan) -> nn.Module:
    return AverageFusion(len(plan.spec.sources), len(plan.spectral), options.smoothing)


@fusion.register
def _(options: ConvolutionOutput, plan: Plan) -> nn.Module:
    return ConvolutionFusion(options, plan)
