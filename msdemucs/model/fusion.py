"""Fusions of resolutions, mirrored from `spec.fusion`: one module an options class."""

from collections.abc import Callable
from functools import singledispatch

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.spec.fusion import (
    AttentionOutput,
    ConvolutionOutput,
    MeanBottleneck,
    PerSourceOutput,
    SumOutput,
    TimeUNet2DOutput,
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


class EqualWeights(nn.Module):
    """Weights that are all the same and not learned."""

    weights: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.full((count,), 1 / count), persistent=False)

    def forward(self) -> Tensor:
        """The weights."""
        return self.weights


Maps = list[Tensor]
GiveBack = Callable[[Maps], Maps]


class NothingToFuse(nn.Module):
    """One resolution or none: what comes goes on."""

    def forward(self, maps: Maps) -> tuple[Maps, GiveBack]:
        """The same maps, and back."""
        return maps, lambda fused: fused


class WeightedFusion(nn.Module):
    """Maps resized to the middle resolution and averaged; afterwards given back to each.

    Args:
        weights: gives one weight a resolution.
        n_resolutions: how many maps come.

    Source: shared/systems sheet of n and nn, section 1.4.
    """

    def __init__(self, weights: nn.Module, n_resolutions: int) -> None:
        super().__init__()
        self.middle = n_resolutions // 2
        self.weights = weights

    def forward(self, maps: Maps) -> tuple[Maps, GiveBack]:
        """Σ w_r · resize(h_r), of the middle resolution's size, and how it is given back.

        Given back, each resolution becomes w_r · resize(x) + (1 − w_r) · h_r.
        """
        weights = self.weights()
        size = maps[self.middle].shape[2:]
        parts = [weight * _resize(x, size) for weight, x in zip(weights, maps, strict=True)]

        def give_back(fused: Maps) -> Maps:
            return [
                mixed(x, _resize(fused[0], x.shape[2:]), weight)
                for weight, x in zip(weights, maps, strict=True)
            ]

        return [torch.stack(parts).sum(0)], give_back


def mixed(old: Tensor, new: Tensor, weight: Tensor) -> Tensor:
    """Return weight · new + (1 − weight) · old; autocast may have given them different types."""
    dtype = torch.promote_types(old.dtype, new.dtype)
    return torch.lerp(old.to(dtype), new.to(dtype), weight.to(dtype))


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


class TimeUNet2DFusion(nn.Module):
    """A small U-Net along time over all sources and channels; its first level spans resolutions.

    Source: shared/systems, sheet of dnf and dn, section 4.
    """

    def __init__(self, options: TimeUNet2DOutput, plan: Plan) -> None:
        super().__init__()
        audio, taps = len(plan.spec.sources) * plan.spec.audio_channels, options.kernel_size
        above = (audio, *options.widths)
        heights = (len(plan.spectral), *(1 for _ in options.widths[1:]))
        self.encoder = nn.ModuleList(
            nn.Conv2d(into, out, (height, taps), padding=(0, taps // 2))
            for into, out, height in zip(above, options.widths, heights, strict=False)
        )
        self.decoder = nn.ModuleList(
            nn.Conv2d(into, out, (1, taps), padding=(0, taps // 2))
            for out, into in reversed(list(zip(above, options.widths, strict=False)))
        )
        self.activation = nn.GELU() if options.activation == "gelu" else nn.Identity()

    def forward(self, waveforms: Float[Tensor, "B R S A N"]) -> Float[Tensor, "B S A N"]:
        """One estimate a source."""
        S, A = waveforms.shape[2:4]
        x = waveforms.permute(0, 2, 3, 1, 4).flatten(1, 2)  # [B, S · A, R, N]
        skips = []
        for conv in self.encoder:
            x = self.activation(conv(x))  # [B, C, 1, N]
            skips.append(x)
        for conv in self.decoder:
            x = self.activation(conv(x + skips.pop()))
        return x.reshape(len(x), S, A, -1)


class AttentionFusion(nn.Module):
    """Each source's weights of the resolutions follow what they sound like around each moment."""

    def __init__(self, options: AttentionOutput, plan: Plan) -> None:
        super().__init__()
        sources, resolutions, width = len(plan.spec.sources), len(plan.spectral), options.features
        hop = options.hop_length
        self.key = nn.Conv1d(plan.spec.audio_channels, width, 2 * hop, hop, padding=hop)
        self.place = nn.Parameter(torch.zeros(resolutions, width))
        self.query = nn.Parameter(torch.randn(sources, width) / width**0.5)

    def forward(self, waveforms: Float[Tensor, "B R S A N"]) -> Float[Tensor, "B S A N"]:
        """One estimate a source."""
        B, R, S, _, N = waveforms.shape
        keys = F.gelu(self.key(waveforms.flatten(0, 2)))  # [B · R · S, D, M]
        keys = keys.view(B, R, S, *keys.shape[1:]) + self.place[:, None, :, None]
        scores = (keys * self.query[:, :, None]).sum(3)  # [B, R, S, M]
        weights = F.interpolate(scores.softmax(1).flatten(0, 1), N, mode="linear")  # [B · R, S, N]
        return (waveforms * weights.view(B, R, S, 1, N)).sum(1)


@singledispatch
def fusion(options: object, plan: Plan) -> nn.Module:  # noqa: ARG001
    """The module of a fusion's options.

    Raises:
        TypeError: a kind without a module.
    """
    raise TypeError(f"no module for {type(options).__name__}")


@fusion.register
def _(options: None, plan: Plan) -> nn.Module:  # noqa: ARG001
    return NothingToFuse()


@fusion.register
def _(options: WeightedBottleneck, plan: Plan) -> nn.Module:
    count = len(plan.spectral)
    return WeightedFusion(SmoothedWeights(count, smoothing=options.smoothing), count)


@fusion.register
def _(options: MeanBottleneck, plan: Plan) -> nn.Module:  # noqa: ARG001
    count = len(plan.spectral)
    return WeightedFusion(EqualWeights(count), count)


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


@fusion.register
def _(options: TimeUNet2DOutput, plan: Plan) -> nn.Module:
    return TimeUNet2DFusion(options, plan)


@fusion.register
def _(options: AttentionOutput, plan: Plan) -> nn.Module:
    return AttentionFusion(options, plan)
