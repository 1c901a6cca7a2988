"""The separator: a list of branches that meet at the bottleneck and at the output."""

from collections.abc import Iterator, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.branch import Branch
from msdemucs.spec import Spec


class Bottleneck(nn.Module):
    """Fuse the resolutions, attend, give back to every branch.

    Args:
        fusion: the spectral maps → one map, and a function that gives one back to each.
        blocks: attention blocks over the fused spectral map and the waveform's.
        n_spectral: how many of the branches are spectral; they come first.
    """

    def __init__(self, fusion: nn.Module, blocks: Sequence[nn.Module], n_spectral: int) -> None:
        super().__init__()
        self.fusion, self.blocks, self.n_spectral = fusion, nn.ModuleList(blocks), n_spectral

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """One map [B, C, F, T] a branch, in and out."""
        spectral, waveform = maps[: self.n_spectral], maps[self.n_spectral :]
        fused, give_back = self.fusion(spectral)
        streams = [fused, *waveform]
        for block in self.blocks:
            streams = block(streams)
        return [*give_back(streams[0]), *streams[1:]]


class WaveformBottleneck(nn.Module):
    """Attention of a separator without spectral branches."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """The one map [B, C, 1, T]."""
        return self.blocks(maps)


class Output(nn.Module):
    """Fuse the resolutions' estimates and add the waveform branch's."""

    def __init__(self, fusion: nn.Module, n_spectral: int) -> None:
        super().__init__()
        self.fusion, self.n_spectral = fusion, n_spectral

    def forward(self, estimates: list[Tensor]) -> Float[Tensor, "B S A N"]:
        """One estimate [B, S, A, N] a branch → one estimate."""
        fused = self.fusion(torch.stack(estimates[: self.n_spectral], dim=1))
        return torch.stack([fused, *estimates[self.n_spectral :]]).sum(0)


class WaveformOutput(nn.Module):
    """The estimate of a separator without spectral branches."""

    def forward(self, estimates: list[Tensor]) -> Float[Tensor, "B S A N"]:
        """The one estimate."""
        return estimates[0]


class BranchList(nn.ModuleList):
    """Branches, for the type checker too."""

    def __iter__(self) -> Iterator[Branch]:
        """The branches in order."""
        return cast(Iterator[Branch], super().__iter__())


class Separator(nn.Module):
    """A mixture in, one estimate a source out; any number of samples from 1 on.

    Args:
        spec: what it was built from.
        branches: spectral ones first, then the waveform branch.
        bottleneck: maps of all branches in, maps of the same sizes out.
        output: estimates of all branches in, one out.
    """

    def __init__(
        self, spec: Spec, *, branches: Sequence[Branch], bottleneck: nn.Module, output: nn.Module
    ) -> None:
        super().__init__()
        self.spec = spec
        self.branches = BranchList(branches)
        self.bottleneck = bottleneck
        self.output = output

    def forward(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B S A N"]:
        """Estimates of every source.

        Args:
            mixture: waveform at the spec's sample rate, full scale ±1.
        """
        signals = [branch.analyse(mixture) for branch in self.branches]
        paths = list(zip(self.branches, signals, strict=True))
        for level in range(self.spec.depth):
            for branch, signal in paths:
                branch.encode(signal, level)
        deepest = self.bottleneck([signal.features for signal in signals])
        for signal, features in zip(signals, deepest, strict=True):
            signal.features = features
        for level in range(self.spec.depth):
            for branch, signal in paths:
                branch.decode(signal, level)
        return self.output(
            [branch.synthesise(signal, mixture.shape[-1]) for branch, signal in paths]
        )
