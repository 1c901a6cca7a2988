"""The separator: a list of branches, and the places where they meet."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from msdemucs.model.branch import Branch, Signal
from msdemucs.spec import Plan, Spec


@dataclass(frozen=True)
class Parts:
    """The modules of a separator.

    Attributes:
        branches: spectral ones first, then the waveform branch.
        after_encoder: maps of all branches in, maps of the same sizes out, after each level.
        core: the same at the deepest level of the branches on their own.
        after_decoder: the same after each decoder level.
        output: estimates of all branches in, one out.
    """

    branches: Sequence[Branch]
    after_encoder: Sequence[nn.Module]
    core: nn.Module
    after_decoder: Sequence[nn.Module]
    output: nn.Module


class Separator(nn.Module):
    """A mixture in, one estimate a source out; any number of samples from 1 on.

    Args:
        plan: what it was built from.
        parts: what it is made of.
    """

    def __init__(self, plan: Plan, parts: Parts) -> None:
        super().__init__()
        self.spec: Spec = plan.spec
        self.shortest, self.n_spectral = plan.shortest, len(plan.spectral)
        self.branches = BranchList(parts.branches)
        self.after_encoder = nn.ModuleList(parts.after_encoder)
        self.core = parts.core
        self.after_decoder = nn.ModuleList(parts.after_decoder)
        self.output = parts.output
        unused = plan.spec.init.unused
        self.unused = nn.Parameter(torch.zeros(unused)) if unused else None

    def forward(self, mixture: Float[Tensor, "B A N"]) -> Float[Tensor, "B S A N"]:
        """Estimates of every source.

        Args:
            mixture: waveform at the spec's sample rate, full scale ±1.
        """
        n_samples = mixture.shape[-1]
        mixture = F.pad(mixture, (0, max(0, self.shortest - n_samples)))
        signals = [branch.analyse(mixture) for branch in self.branches]
        paths = list(zip(self.branches, signals, strict=True))

        for level, meeting in enumerate(self.after_encoder):
            for branch, signal in paths:
                branch.encode(signal, level)
            exchange(meeting, signals)
            for branch, signal in paths[: self.n_spectral]:
                branch.embed(signal, level)

        exchange(self.core, signals)

        for level, meeting in enumerate(self.after_decoder):
            for branch, signal in paths:
                branch.decode(signal, level)
            exchange(meeting, signals)

        return self.output([branch.synthesise(signal, n_samples) for branch, signal in paths])


def exchange(meeting: nn.Module, signals: Sequence[Signal]) -> None:
    """Every signal goes on with what the meeting makes of its features."""
    maps = meeting([signal.features for signal in signals])
    for signal, features in zip(signals, maps, strict=True):
        signal.features = features


class Output(nn.Module):
    """Fuse the resolutions' estimates, then add the waveform branch's."""

    def __init__(self, fusion: nn.Module, n_spectral: int) -> None:
        super().__init__()
        self.fusion, self.n_spectral = fusion, n_spectral

    def forward(self, estimates: list[Tensor]) -> Float[Tensor, "B S A N"]:
        """One estimate [B, S, A, N] a branch → one estimate."""
        fused = self.fusion(torch.stack(estimates[: self.n_spectral], dim=1))
        return reduce(torch.add, estimates[self.n_spectral :], fused)


class SpectralOutput(nn.Module):
    """Fuse the resolutions' estimates; the waveform branch's are thrown away."""

    def __init__(self, fusion: nn.Module, n_spectral: int) -> None:
        super().__init__()
        self.fusion, self.n_spectral = fusion, n_spectral

    def forward(self, estimates: list[Tensor]) -> Float[Tensor, "B S A N"]:
        """One estimate [B, S, A, N] a branch → one estimate."""
        return self.fusion(torch.stack(estimates[: self.n_spectral], dim=1))


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
